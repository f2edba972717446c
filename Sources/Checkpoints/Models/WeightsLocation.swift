import Basics
import SystemPackage
import Tensors

/// The file of a model that fits in one shard.
let modelFileName = "model.safetensors"

/// The index of a model with several shards.
let indexFileName = "model.safetensors.index.json"

/// The name of a shard, from 1: `model-00001-of-00003.safetensors` for the prefix `model-`.
func shardFileName(_ number: Int, of count: Int, prefix: some StringProtocol) -> String {
  func padded(_ number: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
  }
  return "\(prefix)\(padded(number))-of-\(padded(count)).safetensors"
}

/// Where a path that the user gave has its weights.
enum WeightsLocation: Equatable {
  /// The shards that an index names.
  case index(FilePath)
  /// All tensors of these files.
  case files([FilePath])

  /// The directory of a checkpoint, and its weights there.
  static func locate(_ path: FilePath) throws -> (directory: FilePath, weights: WeightsLocation) {
    switch try fileType(of: path) {
    case .directory?:
      return (path, try locate(inDirectory: path))
    case _?:
      let name = path.lastComponent?.string ?? ""
      let parent = path.removingLastComponent()
      let directory = parent.isEmpty ? FilePath(".") : parent
      if name.hasSuffix(".safetensors") { return (directory, .files([path])) }
      if name.hasSuffix(".safetensors.index.json") { return (directory, .index(path)) }
      if isForeignWeights(name) { throw CheckpointError.unsupportedFormat(path: path, fileName: nil) }
      throw CheckpointError.notCheckpoint(path: path)
    case nil:
      if (try? path.stat(followTargetSymlink: false)) != nil {
        throw CheckpointError.danglingLink(path: path)
      }
      throw CheckpointError.noSuchPath(path: path, nearest: nearestExisting(to: path))
    }
  }

  private static func locate(inDirectory directory: FilePath) throws -> WeightsLocation {
    // Names with a leading dot are other programs' bookkeeping, such as `._model.safetensors`.
    let names = try fileNames(in: directory).filter { !$0.hasPrefix(".") }
    if names.contains(indexFileName) { return .index(directory.appending(indexFileName)) }
    if names.contains(modelFileName) { return .files([directory.appending(modelFileName)]) }

    let indexes = names.filter { $0.hasSuffix(".safetensors.index.json") }
    if indexes.count > 1 {
      throw CheckpointError.severalIndexes(directory: directory, fileNames: indexes)
    }
    if let index = indexes.first { return .index(directory.appending(index)) }

    let all = names.filter { $0.hasSuffix(".safetensors") }
    var weights = all.filter { !$0.hasPrefix("adapter") }
    // Mistral's repositories hold the same weights a second time, under the names of another library.
    if weights.contains(where: { $0.hasPrefix("model") }) {
      weights.removeAll { $0.hasPrefix("consolidated") }
    }
    if weights.isEmpty {
      if let adapter = all.first {
        throw CheckpointError.onlyAdapter(directory: directory, fileName: adapter)
      }
      if let foreign = names.first(where: isForeignWeights) {
        throw CheckpointError.unsupportedFormat(path: directory, fileName: foreign)
      }
      throw CheckpointError.noWeights(directory: directory)
    }
    let missing = missingShards(among: weights)
    if !missing.isEmpty {
      throw CheckpointError.incompleteShards(directory: directory, missing: missing)
    }
    return .files(weights.map { directory.appending($0) })
  }

  /// The type of what a path leads to, symbolic links followed; `nil` if there is nothing.
  private static func fileType(of path: FilePath) throws -> FileType? {
    do {
      return try path.stat().type
    } catch Errno.noSuchFileOrDirectory, Errno.notDirectory {
      return nil
    } catch {
      throw FileError.system(action: "inspect", path: path, errno: error)
    }
  }

  private static func isForeignWeights(_ name: String) -> Bool {
    [".bin", ".gguf", ".pt", ".pth", ".ckpt", ".bin.index.json"].contains { name.hasSuffix($0) }
      && name != "training_args.bin"
  }

  /// The shards that a set such as `model-00001-of-00003.safetensors` lacks, so that half a download
  /// does not pass for a model.
  private static func missingShards(among names: [String]) -> [String] {
    let existing = Set(names)
    var missing: [String] = []
    var seen: Set<Substring> = []
    for name in names {
      let stem = name.dropLast(".safetensors".count)
      let beforeCount = stem.dropLast(5)
      guard
        beforeCount.hasSuffix("-of-"), let count = Int(stem.suffix(5)), count > 0,
        Int(beforeCount.dropLast(4).suffix(5)) != nil, seen.insert(beforeCount.dropLast(9)).inserted
      else { continue }
      for number in 1...count {
        let shard = shardFileName(number, of: count, prefix: beforeCount.dropLast(9))
        if !existing.contains(shard) { missing.append(shard) }
      }
    }
    return missing
  }

  /// A path like `path` as far as it exists, with the nearest name in place of the first that does not.
  private static func nearestExisting(to path: FilePath) -> FilePath? {
    var missing = path
    while let name = missing.lastComponent?.string {
      let parent = missing.removingLastComponent()
      if let siblings = try? fileNames(in: parent.isEmpty ? "." : parent) {
        return nearestName(to: name, among: siblings).map { parent.appending($0) }
      }
      missing = parent
    }
    return nil
  }
}
