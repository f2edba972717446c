import Basics
import SystemPackage

/// The weights of a model that a directory holds.
enum OldWeights {
  private static let index = "model.safetensors.index.json"

  /// The files of the weights and their index: those of the usual names, and what the index names. Other
  /// safetensors files, such as adapters, are none.
  static func names(in directory: FilePath) throws(Errno) -> [FilePath.Component] {
    let indexed = indexedNames(in: directory)
    return try DirectoryFiles.names(in: directory).filter { name in
      (isUsual(name.string) || indexed.contains(name.string))
        && (try? directory.appending(name).stat())?.type != .directory
    }
  }

  /// Whether a file of that name in a directory is one of the weights.
  static func isNamed(_ name: FilePath.Component?, in directory: FilePath) -> Bool {
    name.map { isUsual($0.string) || indexedNames(in: directory).contains($0.string) } ?? false
  }

  /// Whether a directory's README.md is a model's card, which begins with metadata, or there is none. What
  /// else was in a directory that got a model later is no card.
  static func mayReplaceCard(in directory: FilePath) -> Bool {
    let card = directory.appending("README.md")
    guard DirectoryFiles.exists(card) else { return true }
    let isModel =
      DirectoryFiles.exists(directory.appending("config.json"))
      || (try? names(in: directory))?.isEmpty == false
    return isModel && (try? InputFile(path: card).bytes(at: 0, count: 4)) == Array("---\n".utf8)
  }

  /// The safetensors files that an index names.
  private static func indexedNames(in directory: FilePath) -> Set<String> {
    let map = (try? JSON(contentsOf: directory.appending(index)))?["weight_map"]?.objectValue
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
