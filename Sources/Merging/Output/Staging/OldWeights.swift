import Basics
import SystemPackage

/// The weights of a model that a directory holds.
enum OldWeights {
  private static let index = "model.safetensors.index.json"

  /// The files of the weights and their index: those of the usual names, and what the index names. Other
  /// safetensors files, such as adapters, are none.
  static func names(in directory: FilePath) throws(Errno) -> [FilePath.Component] {
    let indexed = try indexedNames(in: directory)
    var found: [FilePath.Component] = []
    for name in try DirectoryFiles.names(in: directory)
    where isUsual(name.string) || indexed.contains(name.string) {
      if try DirectoryFiles.type(at: directory.appending(name)) != .directory { found.append(name) }
    }
    return found
  }

  /// Whether a directory holds weights of a model; one that is not there holds none.
  static func holdsAny(_ directory: FilePath) -> Bool {
    (try? names(in: directory))?.isEmpty == false
  }

  /// Whether a file of that name in a directory is one of the weights.
  static func isNamed(_ name: FilePath.Component?, in directory: FilePath) throws(Errno) -> Bool {
    guard let name else { return false }
    if isUsual(name.string) { return true }
    return try indexedNames(in: directory).contains(name.string)
  }

  /// Whether a directory's README.md is a model's card, which begins with metadata, or there is none. What
  /// else was in a directory that got a model later is no card.
  static func mayReplaceCard(in directory: FilePath) throws -> Bool {
    let card = directory.appending("README.md")
    guard try DirectoryFiles.isPresent(card) else { return true }
    let isModel =
      try ["config.json", "adapter_config.json"].contains {
        try DirectoryFiles.isPresent(directory.appending($0))
      } || !names(in: directory).isEmpty
    guard isModel, try DirectoryFiles.type(at: card) == .regular else { return false }
    return try InputFile(path: card, links: .all).bytes(at: 0, count: 4) == Array("---\n".utf8)
  }

  /// The safetensors files that an index names; one that is no index names none.
  private static func indexedNames(in directory: FilePath) throws(Errno) -> Set<String> {
    let path = directory.appending(index)
    guard try DirectoryFiles.type(at: path) == .regular else { return [] }
    let map: JSONObject?
    do { map = try JSON(contentsOf: path)["weight_map"]?.objectValue } catch {
      if case FileError.system(_, _, let error) = error { throw error }
      return []
    }
    return Set((map ?? [:]).compactMap { $0.value.stringValue }.filter { $0.hasSuffix(".safetensors") })
  }

  /// `model.safetensors`, `model-00001-of-00002.safetensors`, and the same of PyTorch.
  private static func isUsual(_ name: String) -> Bool {
    if name.hasPrefix("pytorch_model") { return name.hasSuffix(".bin") || name.hasSuffix(".bin.index.json") }
    if name == "model.safetensors" || name == index { return true }
    let (prefix, suffix) = ("model-", ".safetensors")
    guard name.hasPrefix(prefix), name.hasSuffix(suffix), name.count > prefix.count + suffix.count else {
      return false
    }
    let rest = name.dropFirst(prefix.count).dropLast(suffix.count)
    guard let separator = rest.firstRange(of: "-of-") else { return false }
    return [rest[..<separator.lowerBound], rest[separator.upperBound...]].allSatisfy { number in
      !number.isEmpty && number.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }
  }
}
