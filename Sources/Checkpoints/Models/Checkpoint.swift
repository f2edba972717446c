import Basics
import Synchronization
import SystemPackage

/// A model on disk: its tensors by name, and its config.json. Opening it reads headers, no data.
package final class Checkpoint: Sendable {
  /// The path that it was opened with.
  package let path: FilePath

  /// All files of the model: config.json, tokenizer and so on.
  package let modelFiles: any ModelFiles

  /// The files of weights, sorted by name.
  package let files: [any TensorFile]

  /// The tensors, in the order of the files and of the data within each.
  package let tensors: [StoredTensor]

  /// What is odd about it but no error: tensors that the index does not name, as whole sentences.
  package let warnings: [String]

  /// What the headers of its safetensors files note beside their format, each key as the first file has it.
  package var metadata: [(key: String, value: String)] {
    var known: Set<String> = ["format"]
    return files.compactMap { ($0 as? SafetensorsFile)?.metadata }.flatMap { metadata in
      metadata.keys.filter { known.insert($0).inserted }.map {
        (key: $0, value: metadata[$0]?.stringValue ?? "")
      }
    }
  }

  private let configName: String
  private let positions: [ByteKey: Int]
  private let cachedConfig = Mutex<JSON?>(nil)

  /// Opens a checkpoint: a directory, a file of tensors or an index of shards.
  ///
  /// In a directory the weights are, in this order: the shards that `model.safetensors.index.json` names;
  /// `model.safetensors`; the shards of the only other `.safetensors.index.json`; all other `.safetensors`
  /// files, but no adapters, and no `consolidated` files beside `model` files.
  ///
  /// Throws `CheckpointError` or `SafetensorsError`.
  package convenience init(path: FilePath) throws {
    let (modelFiles, location) = try WeightsLocation.locate(path)
    try self.init(path: path, modelFiles, location, configName: "config.json")
  }

  /// Opens an adapter, whose `config` is adapter_config.json: a directory, or a file of weights beside that.
  package convenience init(adapter path: FilePath) throws {
    let (modelFiles, location) = try WeightsLocation.locateAdapter(path)
    try self.init(path: path, modelFiles, location, configName: WeightsLocation.adapterConfigName)
  }

  private init(
    path: FilePath, _ modelFiles: any ModelFiles, _ location: WeightsLocation, configName: String
  ) throws {
    self.path = path
    self.modelFiles = modelFiles
    self.configName = configName
    var files: [any TensorFile] = []
    var tensors: [StoredTensor] = []
    var warnings: [String] = []
    switch location {
    case .files(let names, let format):
      for name in names {
        let file = try TensorFileFormat.open(modelFiles.open(name))
        files.append(file)
        tensors += file.tensors
      }
      try format?.checkSet(files)
    case .index(let name, let format):
      let index = try ShardIndex(name, of: format, in: modelFiles)
      for shard in index.shards {
        let opened = try index.open(shard)
        files.append(opened.file)
        tensors += opened.tensors
        if let first = opened.unnamed.first {
          let others = opened.unnamed.count - 1
          warnings.append(
            "\(opened.file.path): tensor \(DisplayText.name(first))\(others > 0 ? " and \(others) more" : "") ignored: "
              + "not named in \(index.path)")
        }
      }
    }

    if let whole = try ModelParallelParts.join(files, in: modelFiles) { tensors = whole }

    var positions: [ByteKey: Int] = [:]
    positions.reserveCapacity(tensors.count)
    for (position, tensor) in tensors.enumerated() {
      if let other = positions.updateValue(position, forKey: ByteKey(string: tensor.name)) {
        throw CheckpointError.duplicateTensor(
          tensor: tensor.name, first: tensors[other].path, second: tensor.path)
      }
    }
    self.files = files
    self.tensors = tensors
    self.warnings = warnings
    self.positions = positions
  }

  /// The names of the tensors, in their order.
  package var names: [String] { tensors.map(\.name) }

  /// What an output must not destroy: what the user named, a directory or a file, and the files of weights.
  package var inputs: [FilePath] { [path] + files.map(\.path) }

  /// The tensor of a name.
  package func tensor(named name: String) -> StoredTensor? {
    positions[ByteKey(string: name)].map { tensors[$0] }
  }

  /// The bytes of all tensors.
  package var totalBytes: Int {
    // Sparse files can claim any size, so this stops at the largest number.
    tensors.reduce(0) { total, tensor in
      let (sum, overflow) = total.addingReportingOverflow(tensor.storedByteCount)
      return overflow ? .max : sum
    }
  }

  /// What a GGUF file says of its model, from which config.json and tokenizer are made; `nil` for all other formats.
  package var gguf: GGUFMetadata? { (files.first as? GGUFFile)?.values }

  /// config.json, or an adapter's, read when it is first asked for; `nil` if the directory has none, or what
  /// it has is not that of a GGUF file beside it.
  ///
  /// Throws `CheckpointError.invalidJSON` with line and column.
  package var config: JSON? {
    get throws {
      if gguf != nil { return nil }
      return try cachedConfig.withLock { cached in
        if let cached { return cached }
        do {
          cached = try modelFiles.json(configName)
        } catch FileError.system(_, _, .noSuchFileOrDirectory) {
          return nil
        }
        return cached
      }
    }
  }
}
