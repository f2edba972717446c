import Basics
import Synchronization
import SystemPackage

/// A model on disk: its tensors by name, and its config.json. Opening it reads headers, no data.
package final class Checkpoint: Sendable {
  /// The path that it was opened with.
  package let path: FilePath

  /// The directory that has config.json, tokenizer and so on.
  package let directory: FilePath

  /// The safetensors files, sorted by name.
  package let files: [SafetensorsFile]

  /// The tensors, in the order of the files and of the data within each.
  package let tensors: [StoredTensor]

  /// What is odd about it but no error: tensors that the index does not name, as whole sentences.
  package let warnings: [String]

  private let positions: [ByteKey: Int]
  private let cachedConfig = Mutex<JSON?>(nil)

  /// Opens a checkpoint: a directory, a `.safetensors` file or an index of shards.
  ///
  /// In a directory the weights are, in this order: the shards that `model.safetensors.index.json` names;
  /// `model.safetensors`; the shards of the only other `.safetensors.index.json`; all other `.safetensors`
  /// files, but no adapters, and no `consolidated` files beside `model` files.
  ///
  /// Throws `CheckpointError` or `SafetensorsError`.
  package init(path: FilePath) throws {
    self.path = path
    let (directory, location) = try WeightsLocation.locate(path)
    self.directory = directory
    var files: [SafetensorsFile] = []
    var tensors: [StoredTensor] = []
    var warnings: [String] = []
    switch location {
    case .files(let paths):
      for path in paths {
        let file = try SafetensorsFile(path: path, links: path == self.path ? .all : .withinFolder)
        files.append(file)
        tensors += file.tensors
      }
    case .index(let path):
      let index = try ShardIndex(path: path)
      for shard in index.shards {
        let opened = try index.open(shard)
        files.append(opened.file)
        tensors += opened.tensors
        if let first = opened.unnamed.first {
          let others = opened.unnamed.count - 1
          warnings.append(
            "\(shard.path): tensor \(quoted(first))\(others > 0 ? " and \(others) more" : "") ignored: "
              + "not named in \(path)")
        }
      }
    }

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

  /// The tensor of a name.
  package func tensor(named name: String) -> StoredTensor? {
    positions[ByteKey(string: name)].map { tensors[$0] }
  }

  /// The bytes of all tensors.
  package var totalBytes: Int {
    // Sparse files can claim any size, so this stops at the largest number.
    tensors.reduce(0) { total, tensor in
      let (sum, overflow) = total.addingReportingOverflow(tensor.byteCount)
      return overflow ? .max : sum
    }
  }

  /// config.json, read when it is first asked for; `nil` if the directory has none.
  ///
  /// Throws `CheckpointError.invalidJSON` with line and column.
  package var config: JSON? {
    get throws {
      try cachedConfig.withLock { cached in
        if let cached { return cached }
        do {
          cached = try JSON(contentsOf: directory.appending("config.json"))
        } catch FileError.system(_, _, .noSuchFileOrDirectory) {
          return nil
        }
        return cached
      }
    }
  }
}
