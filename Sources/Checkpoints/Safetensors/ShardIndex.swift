import Basics
import SystemPackage

/// A validated index, such as `model.safetensors.index.json`: which tensor is in which file.
struct ShardIndex {
  struct Shard {
    /// The file's name, as in the index.
    let name: String
    /// Its name among the model's files.
    let file: String
    /// The tensors that the index has in it, in the index's order.
    var tensors: [String]
  }

  let path: FilePath

  private let files: any ModelFiles

  /// The files, sorted by name.
  let shards: [Shard]

  /// Reads an index. Whether the files exist is found out when they are opened.
  init(_ name: String, of format: TensorFileFormat, in files: any ModelFiles) throws {
    let path = files.path(of: name)
    self.path = path
    self.files = files
    let json = try files.json(name, duplicateKeys: .reject)
    guard let value = json["weight_map"] else {
      throw CheckpointError.badWeightMap(index: path, found: json.objectValue == nil ? json.kind : nil)
    }
    guard let weightMap = value.objectValue else {
      throw CheckpointError.badWeightMap(index: path, found: value.kind)
    }

    let folder = FilePath(name).removingLastComponent()
    var shards: [ByteKey: Shard] = [:]
    for (tensor, value) in weightMap {
      guard let name = value.stringValue else {
        throw CheckpointError.shardNotString(index: path, tensor: tensor, found: value.kind)
      }
      let key = ByteKey(string: name)
      if shards[key] == nil {
        let file = FilePath(name)
        // A zero byte would end the path early.
        guard
          !name.isEmpty, file.isRelative, file.components.allSatisfy({ $0.kind == .regular }),
          !name.utf8.contains(0)
        else { throw CheckpointError.badShardName(index: path, tensor: tensor, shard: name) }
        guard format.names(name) else {
          throw CheckpointError.shardOfOtherFormat(
            index: path, tensor: tensor, shard: name, suffix: format.suffixes[0])
        }
        shards[key] = Shard(name: name, file: folder.pushing(file).string, tensors: [])
      }
      shards[key]?.tensors.append(tensor)
    }
    self.shards = shards.values.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
  }

  /// Opens a shard and returns its file, the tensors that the index has in it, in the order of their
  /// data, and the names of the others.
  func open(
    _ shard: Shard
  ) throws -> (file: any TensorFile, tensors: [StoredTensor], unnamed: [String]) {
    let file: any TensorFile
    do {
      file = try TensorFileFormat.open(files.open(shard.file))
    } catch FileError.system(_, _, .noSuchFileOrDirectory) {
      throw CheckpointError.missingShard(index: path, tensor: shard.tensors[0], shard: shard.name)
    }
    let wanted = Set(shard.tensors.map(ByteKey.init))
    var tensors: [StoredTensor] = []
    var unnamed: [String] = []
    for tensor in file.tensors {
      if wanted.contains(ByteKey(string: tensor.name)) {
        tensors.append(tensor)
      } else {
        unnamed.append(tensor.name)
      }
    }
    if tensors.count < wanted.count {
      let found = Set(tensors.map { ByteKey(string: $0.name) })
      for tensor in shard.tensors where !found.contains(ByteKey(string: tensor)) {
        throw CheckpointError.tensorNotInShard(index: path, tensor: tensor, shard: shard.name)
      }
    }
    return (file, tensors, unnamed)
  }
}
