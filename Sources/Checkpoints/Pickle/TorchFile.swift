import Basics
import SystemPackage
import Tensors

/// A file that `torch.save` has written of a state dict: `pytorch_model.bin`, `.pt`, `.pth`, `.ckpt`.
///
/// A zip archive with a pickle, which says where in the other entries the tensors lie. The pickle is read and nothing
/// of it executed; the tensors are read where they are.
package struct TorchFile: TensorFile {
  package let path: FilePath
  package let identity: FileIdentity
  package let metadata = JSONObject()
  package let tensors: [StoredTensor]

  /// Opens a file and reads its pickle.
  ///
  /// Throws `PickleError` if it is not a state dict.
  package init(path: FilePath) throws { try self.init(InputFile(path: path)) }

  /// A larger pickle is none of a state dict.
  static let largestPickle = 32 << 20

  init(_ file: InputFile) throws {
    path = file.path
    identity = file.identity
    do {
      try Self.checkKind(file)
      let archive = try ZipArchive(file)
      let root = try Self.root(of: archive)
      if let order = archive["\(root)/byteorder"], order.byteRange.count < 16 {
        let text = String(decoding: try file.exactBytes(order.byteRange), as: UTF8.self)
        guard text == "little" else { throw PickleProblem.bigEndian(text) }
      }
      let pickle = archive["\(root)/data.pkl"]!.byteRange
      guard pickle.count <= Self.largestPickle else {
        throw PickleProblem.pickleTooLarge(pickle.count, most: Self.largestPickle)
      }
      let (value, machine) = try PickleMachine.run(file.exactBytes(pickle))
      let entries = try StateDict(value, machine).entries
      tensors = try entries.map { entry in
        try Self.tensor(entry.tensor, named: entry.name, of: machine, in: archive, root: root, file)
      }.sorted { ($0.start, $0.name) < ($1.start, $1.name) }.map(\.tensor)
    } catch let problem as PickleProblem {
      throw PickleError(path: file.path, problem: problem)
    }
  }

  // MARK: The archive

  /// Tells what is clearly something else by its first bytes.
  private static func checkKind(_ file: InputFile) throws {
    let first = try file.bytes(at: 0, count: min(512, file.identity.byteCount))
    func begins(_ text: String) -> Bool { first.starts(with: text.utf8) }
    if begins("PK\u{3}\u{4}") { return }
    if begins("version https://git-lfs") { throw PickleProblem.gitLFSPointer }
    let text = first.prefix(64).drop { $0 <= 0x20 }.map { $0 | 0x20 }
    if text.starts(with: "<!doctype".utf8) || text.starts(with: "<html".utf8) { throw PickleProblem.webPage }
    // A pickle at the start: the magic number of torch/serialization.py, or tensors by themselves; or a tar archive.
    let isPickle = first.count > 2 && first[0] == 0x80 && (1...5).contains(first[1])
    let isTar = first.count >= 262 && first[257..<262].elementsEqual("ustar".utf8)
    throw isPickle || isTar ? PickleProblem.legacyFormat : PickleProblem.notPyTorch
  }

  /// The one folder at the top of the archive.
  private static func root(of archive: ZipArchive) throws -> String {
    let names = archive.entries.map(\.name)
    if !names.isEmpty, names.allSatisfy({ $0.hasSuffix(".npy") }) { throw PickleProblem.numpyArchive }
    let pickles = names.filter { $0.hasSuffix("/data.pkl") }
    guard pickles.count == 1 else { throw PickleProblem.noPickle }
    let root = String(pickles[0].dropLast("/data.pkl".count))
    guard !root.contains("/") else { throw PickleProblem.noPickle }
    if let other = names.first(where: { !$0.hasPrefix(root + "/") }) {
      throw PickleProblem.badArchive("\(name: other) is outside of \(name: root), the folder of its pickle")
    }
    if archive["\(root)/constants.pkl"] != nil || names.contains(where: { $0.hasPrefix("\(root)/code/") }) {
      throw PickleProblem.torchScript
    }
    if let compressed = archive.entries.first(where: { !$0.isStored }) {
      throw PickleProblem.compressed(compressed.name)
    }
    return root
  }

  // MARK: Tensors

  private static func tensor(
    _ number: Int32, named name: String, of machine: PickleMachine, in archive: ZipArchive, root: String,
    _ file: InputFile
  ) throws -> (start: Int, name: String, tensor: StoredTensor) {
    let tensor = machine.tensors[Int(number)]
    let storage = machine.storages[tensor.storage]
    guard let entry = archive["\(root)/data/\(storage.key)"] else {
      throw PickleProblem.missingStorage(key: storage.key)
    }
    guard let width = tensor.dtype.byteWidth else {
      throw PickleProblem.badTensor(name: name, reason: "\(tensor.dtype.torchName) is packed below a byte")
    }
    let expected = storage.count.multipliedReportingOverflow(by: storage.dtype?.byteWidth ?? 1)
    guard !expected.overflow, expected.partialValue == entry.byteRange.count else {
      throw PickleProblem.storageSize(
        key: storage.key, expected: expected.overflow ? .max : expected.partialValue,
        found: entry.byteRange.count)
    }
    let (count, extent) = try measure(tensor, named: name)
    let bytes = entry.byteRange.count
    // A view with strides of zero may be larger than what it shows, as far as a file may be.
    guard extent <= bytes / width, count <= max(bytes, file.identity.byteCount) / width else {
      throw PickleProblem.badTensor(
        name: name,
        reason: "\(tensor.dtype.torchName) \(tensor.shape) with strides \(tensor.strides) from element "
          + "\(tensor.offset) on reaches beyond its storage of \(bytes) bytes")
    }
    let start = entry.byteRange.lowerBound
    let source: any ByteSource
    if count == 0 || isContiguous(tensor) {
      let first = count == 0 ? start : start + tensor.offset * width
      source = FileRange(first..<first + count * width, of: file, tensor: name)
    } else {
      source = StridedSource(
        FileRange(entry.byteRange, of: file, tensor: name), width: width, offset: tensor.offset,
        shape: tensor.shape, strides: tensor.strides)
    }
    let stored = StoredTensor(
      name: name, shape: tensor.shape, format: .plain(tensor.dtype), storedByteCount: count * width,
      source: source,
      path: file.path)
    return (start + tensor.offset * width, name, stored)
  }

  /// The elements of a tensor, and how many of its storage's lie before its last.
  private static func measure(_ tensor: PickleTensor, named name: String) throws -> (count: Int, extent: Int)
  {
    let tooLarge = PickleProblem.badTensor(name: name, reason: "its size is beyond 64 bits")
    guard let count = elementCount(of: tensor.shape) else { throw tooLarge }
    if count == 0 { return (0, 0) }
    var extent = tensor.offset
    for (size, stride) in zip(tensor.shape, tensor.strides) {
      let (step, isTooFar) = (size - 1).multipliedReportingOverflow(by: stride)
      let (sum, overflow) = extent.addingReportingOverflow(step)
      if isTooFar || overflow { throw tooLarge }
      extent = sum
    }
    return (count, extent + 1)
  }

  private static func isContiguous(_ tensor: PickleTensor) -> Bool {
    var expected = 1
    for (size, stride) in zip(tensor.shape, tensor.strides).reversed() where size != 1 {
      if stride != expected { return false }
      expected *= size
    }
    return true
  }
}

extension TensorFileFormat {
  static let torch = TensorFileFormat(
    name: "PyTorch", suffixes: [".bin", ".pt", ".pth", ".ckpt"], singleNames: ["pytorch_model.bin"],
    indexNames: ["pytorch_model.bin.index.json"], indexSuffixes: [".bin.index.json"],
    ignored: { name in
      // What Trainer writes beside a model.
      ["training_args", "optimizer", "scheduler", "scaler", "rng_state"].contains { name.hasPrefix($0) }
    },
    recognizes: { first, _ in first.starts(with: "PK\u{3}\u{4}".utf8) },
    open: { try TorchFile($0) })
}
