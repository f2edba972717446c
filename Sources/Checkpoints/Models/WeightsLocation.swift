import Basics
import SystemPackage

/// The file of a model that fits in one shard.
let modelFileName = "model.safetensors"

/// The index of a model with several shards.
let indexFileName = "model.safetensors.index.json"

/// The name of a shard, from 1: `model-00001-of-00003.safetensors` for the prefix `model-`.
func shardFileName(
  _ number: Int, of count: Int, prefix: some StringProtocol, suffix: String = ".safetensors"
) -> String {
  func padded(_ number: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
  }
  return "\(prefix)\(padded(number))-of-\(padded(count))\(suffix)"
}

/// All shards of the set that a file such as `model-00001-of-00003.safetensors` is of; `nil` if its name says none.
func shardNames(with name: String, suffix: String) -> [String]? {
  // What a file of any name could ask for is not made up.
  let most = 100_000
  guard name.hasSuffix(suffix) else { return nil }
  let stem = name.dropLast(suffix.count)
  let beforeCount = stem.dropLast(5)
  guard
    beforeCount.hasSuffix("-of-"), let count = Int(stem.suffix(5)), count > 0, count < most,
    Int(beforeCount.dropLast(4).suffix(5)) != nil
  else { return nil }
  return (1...count).map { shardFileName($0, of: count, prefix: beforeCount.dropLast(9), suffix: suffix) }
}

extension TensorFileFormat {
  /// All shards of the set that a file is of, by its name.
  func shards(with name: String) -> [String]? {
    suffixes.lazy.compactMap { shardNames(with: name, suffix: $0) }.first
  }
}

/// Which of a model's files have its weights.
package enum WeightsLocation {
  /// The shards that an index names.
  case index(name: String, TensorFileFormat)
  /// All tensors of these files.
  case files(names: [String], TensorFileFormat?)

  /// The files of a checkpoint at a path that the user gave, and its weights among them.
  static func locate(_ path: FilePath) throws -> (files: any ModelFiles, weights: WeightsLocation) {
    switch try fileType(of: path) {
    case .directory?:
      let files = ModelDirectory(path)
      return (files, try locate(in: files))
    case _?:
      let name = path.lastComponent?.string ?? ""
      let files = ModelDirectory(of: path)
      return (files, try locate(file: path, name: name, in: files))
    case nil:
      if (try? path.stat(followTargetSymlink: false)) != nil {
        throw CheckpointError.danglingLink(path: path)
      }
      throw CheckpointError.noSuchPath(path: path, nearest: nearestExisting(to: path))
    }
  }

  /// What says how an adapter's weights are put on a model.
  package static let adapterConfigName = "adapter_config.json"

  /// The file of an adapter's weights, as PEFT writes it.
  package static let adapterFileName = "adapter_model.safetensors"

  /// The files of an adapter at a path that the user gave, and its weights among them.
  static func locateAdapter(_ path: FilePath) throws -> (files: any ModelFiles, weights: WeightsLocation) {
    let files: any ModelFiles
    let weights: WeightsLocation
    switch try fileType(of: path) {
    case .directory?:
      files = ModelDirectory(path)
      let known = TensorFileFormat.all.flatMap(\.suffixes).map { "adapter_model" + $0 }
      guard let name = known.first(where: files.has) else {
        let isModel = (try? locate(in: files)) != nil
        throw CheckpointError.notAdapter(path: path, isModel: isModel)
      }
      weights = .files(names: [name], nil)
    case _?:
      // Those of Stable Diffusion's tools say all in the file itself.
      return (ModelDirectory(of: path), .files(names: [path.lastComponent?.string ?? ""], nil))
    case nil:
      throw CheckpointError.noSuchAdapter(path: path, nearest: nearestExisting(to: path))
    }
    guard files.has(adapterConfigName) else { throw CheckpointError.noAdapterConfig(directory: files.path) }
    return (files, weights)
  }

  private static func locate(
    file path: FilePath, name: String, in files: any ModelFiles
  ) throws -> WeightsLocation {
    if let format = TensorFileFormat.all.first(where: { $0.names(name) }) {
      // A part of a split model stands for all of it; a shard of another format may be looked at by itself.
      let parts = format.holdsWholeModels ? format.shards(with: name) : nil
      guard let parts else { return .files(names: [name], format) }
      let missing = parts.filter { !files.has($0) }
      if !missing.isEmpty { throw CheckpointError.incompleteShards(directory: files.path, missing: missing) }
      return .files(names: parts, format)
    }
    if let format = TensorFileFormat.all.first(where: { $0.namesIndex(name) }) {
      return .index(name: name, format)
    }
    // An archive of NumPy's is recognised by its contents.
    if isForeignWeights(name), !name.hasSuffix(".npz") {
      throw CheckpointError.unsupportedFormat(path: path, fileName: nil)
    }
    guard try TensorFileFormat.format(of: InputFile(path: path)) != nil else {
      throw CheckpointError.notCheckpoint(path: path)
    }
    return .files(names: [name], nil)
  }

  /// The weights among a model's files: of the first format that has any.
  static func locate(in files: any ModelFiles) throws -> WeightsLocation {
    // Names with a leading dot are other programs' bookkeeping, such as `._model.safetensors`.
    let names = try files.names.filter { !$0.hasPrefix(".") }
    for format in TensorFileFormat.all {
      if let found = try locate(format, among: names, in: files) { return found }
    }
    if let adapter = names.first(where: { name in TensorFileFormat.all.contains { $0.namesWeights(name) } }) {
      throw CheckpointError.onlyAdapter(directory: files.path, fileName: adapter)
    }
    if let foreign = names.first(where: isForeignWeights) {
      throw CheckpointError.unsupportedFormat(path: files.path, fileName: foreign)
    }
    if names.contains("snapshots"), names.contains("blobs") || names.contains("refs") {
      throw CheckpointError.cacheFolder(directory: files.path, snapshot: snapshot(in: files))
    }
    throw CheckpointError.noWeights(directory: files.path)
  }

  /// The snapshot that a model's folder in the hub's cache has: the one of its main branch, else the only one.
  private static func snapshot(in files: any ModelFiles) -> String? {
    let names = (try? files.names(in: "snapshots")) ?? []
    let main = (try? files.contents("refs/main")).map { String(decoding: $0, as: UTF8.self) }
    return names.first { $0 == main } ?? (names.count == 1 ? names[0] : nil)
  }

  /// The weights of a format; `nil` if there are none, or only adapters.
  private static func locate(
    _ format: TensorFileFormat, among names: [String], in files: any ModelFiles
  ) throws -> WeightsLocation? {
    if let index = format.indexNames.first(where: names.contains) { return .index(name: index, format) }
    if let single = format.singleNames.first(where: names.contains) { return .files(names: [single], format) }

    let indexes = names.filter(format.namesIndex)
    if indexes.count > 1 {
      throw CheckpointError.severalIndexes(directory: files.path, fileNames: indexes)
    }
    if let index = indexes.first { return .index(name: index, format) }

    var weights = names.filter { format.namesWeights($0) && !$0.hasPrefix("adapter") }
    // Mistral's repositories hold the same weights a second time, under the names of another library.
    if weights.contains(where: { $0.hasPrefix("model") }) {
      weights.removeAll { $0.hasPrefix("consolidated") }
    }
    if weights.isEmpty { return nil }
    if format.holdsWholeModels, let first = weights.first {
      let parts = format.shards(with: first) ?? [first]
      guard weights.allSatisfy(parts.contains) else {
        throw CheckpointError.severalModels(directory: files.path, fileNames: weights)
      }
    }
    let missing = format.suffixes.flatMap { missingShards(among: weights, suffix: $0) }
    if !missing.isEmpty {
      throw CheckpointError.incompleteShards(directory: files.path, missing: missing)
    }
    return .files(names: weights, format)
  }

  /// The type of what a path leads to, symbolic links followed; `nil` if there is nothing.
  private static func fileType(of path: FilePath) throws -> FileType? {
    do {
      return try path.stat().type
    } catch Errno.noSuchFileOrDirectory, Errno.notDirectory {
      return nil
    } catch {
      throw FileError.system(action: "read", path: path, errno: error)
    }
  }

  /// Whether a file has a name of weights in a format that is not read.
  private static func isForeignWeights(_ name: String) -> Bool {
    [".h5", ".msgpack", ".onnx", ".npz"].contains { name.hasSuffix($0) }
  }

  /// The shards that a set such as `model-00001-of-00003.safetensors` lacks, so that half a download
  /// does not pass for a model.
  private static func missingShards(among names: [String], suffix: String) -> [String] {
    let existing = Set(names)
    var missing: [String] = []
    var seen: Set<String> = []
    for name in names {
      guard let shards = shardNames(with: name, suffix: suffix), seen.insert(shards[0]).inserted else {
        continue
      }
      missing += shards.filter { !existing.contains($0) }
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
