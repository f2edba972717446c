import Basics
import SystemPackage
import Tensors

/// The parts of a model that was split for several processors, as Meta publishes Llama: `consolidated.00.pth` and so on,
/// each with a part of every matrix under the same name.
///
/// How they are split is what the layers of fairscale are that Llama uses (`llama/model.py`): columns for what enters a
/// block, rows for what leaves it, norms in every part alike.
enum ModelParallelParts {
  /// The whole tensors of the parts, params.json of the model's files considered; `nil` if files are none.
  static func join(_ files: [any TensorFile], in modelFiles: any ModelFiles) throws -> [StoredTensor]? {
    guard files.count > 1 else { return nil }
    let numbers = files.map { number(of: $0.path) }
    guard !numbers.contains(nil) else { return nil }
    let missing = (0..<(numbers.compactMap(\.self).max() ?? 0)).filter { !numbers.contains($0) }
    guard missing.isEmpty else {
      throw CheckpointError.incompleteShards(
        directory: modelFiles.path,
        missing: missing.map { "consolidated.\($0 < 10 ? "0" : "")\($0).pth" })
    }
    let parts = zip(numbers.compactMap(\.self), files).sorted { $0.0 < $1.0 }.map(\.1)
    let byName = parts.map { part in
      Dictionary(part.tensors.map { (ByteKey(string: $0.name), $0) }, uniquingKeysWith: { first, _ in first })
    }
    let params = modelFiles.has("params.json") ? try modelFiles.json("params.json") : nil
    let width = parts[0].tensors.first { $0.name == "norm.weight" }?.shape.first ?? params?["dim"]?.intValue
    return try parts[0].tensors.map { first in
      let pieces = byName.compactMap { $0[ByteKey(string: first.name)] }
      func refuse(_ reason: String) -> CheckpointError {
        .partsNotJoined(directory: modelFiles.path, tensor: first.name, reason: reason)
      }
      guard pieces.count == parts.count else { throw refuse("not every part has it") }
      guard pieces.allSatisfy({ $0.shape == first.shape && $0.format == first.format }) else {
        throw refuse("its parts differ in shape or dtype")
      }
      guard let split = split(of: first, parts: parts.count, width: width) else {
        throw refuse("how it is split is not known")
      }
      switch split {
      case .alike: return first
      case .along(let dimension):
        let whole = joined(pieces, along: dimension)
        if let heads = keyValueRows(params), isKeyOrValue(first.name), whole.shape[0] != heads {
          throw refuse("\(whole.shape[0]) rows in all, and params.json asks for \(heads)")
        }
        return whole
      }
    }
  }

  /// The number of a part; `nil` if a file is none.
  private static func number(of path: FilePath) -> Int? {
    let fields = (path.lastComponent?.string ?? "").split(separator: ".", omittingEmptySubsequences: false)
    guard fields.count == 3, fields[0] == "consolidated", fields[2] == "pth",
      (2...4).contains(fields[1].utf8.count),
      fields[1].utf8.allSatisfy({ (0x30...0x39).contains($0) })
    else { return nil }
    return Int(fields[1])
  }

  // MARK: How tensors are split

  private enum Split {
    /// Every part has the whole.
    case alike
    case along(Int)
  }

  private static let columns: Set<Substring> = ["wq", "wk", "wv", "w1", "w3", "output"]
  private static let rows: Set<Substring> = ["wo", "w2"]

  private static func split(of tensor: StoredTensor, parts: Int, width: Int?) -> Split? {
    let fields = tensor.name.split(separator: ".")
    guard let word = fields.last == "weight" ? fields.dropLast().last : fields.last else { return nil }
    if tensor.shape.count < 2 { return word.hasSuffix("norm") || word == "freqs" ? .alike : nil }
    guard tensor.shape.count == 2 else { return nil }
    if columns.contains(word) { return .along(0) }
    if rows.contains(word) { return .along(1) }
    guard word == "tok_embeddings", let width else { return nil }
    // By columns up to Llama 2, by rows of the vocabulary since.
    if tensor.shape[1] == width { return .along(0) }
    return tensor.shape[1] * parts == width ? .along(1) : nil
  }

  private static func joined(_ pieces: [StoredTensor], along dimension: Int) -> StoredTensor {
    let first = pieces[0]
    var shape = first.shape
    shape[dimension] *= pieces.count
    return StoredTensor(
      name: first.name, shape: shape, format: first.format,
      storedByteCount: pieces.reduce(0) { $0 + $1.storedByteCount },
      source: JoinedSource(pieces.map(\.source), repetitions: first.shape[..<dimension].reduce(1, *)),
      path: first.path)
  }

  private static func isKeyOrValue(_ name: String) -> Bool {
    name.hasSuffix(".wk.weight") || name.hasSuffix(".wv.weight")
  }

  /// The rows of keys and values that params.json asks for: with fewer heads than parts, some parts have the same.
  private static func keyValueRows(_ params: JSON?) -> Int? {
    guard let width = params?["dim"]?.intValue, let heads = params?["n_heads"]?.intValue, heads > 0 else {
      return nil
    }
    return width / heads * (params?["n_kv_heads"]?.intValue ?? heads)
  }
}
