import Basics
import SystemPackage

/// What `require` finds: modules of the host, files below a folder, and the standard library.
///
///     let modules = LuaModules(root: "scripts")
///     try modules.install(in: lua)  // `require "helpers"` runs scripts/helpers.lua
///
/// A name such as `a.b` or `a/b` stands for `a/b.lua` or `a/b/init.lua`. A module runs once; the value that
/// it returns is what every `require` of it gives, true if it returns nothing.
package final class LuaModules {
  /// Where user's modules are; empty for the working directory.
  package let root: String
  /// A file of the standard library, by its path in there, such as `library/init.lua`.
  private let standardLibrary: (String) -> StandardLibraryFile?
  /// The paths of the standard library's files, for "did you mean".
  private let standardLibraryPaths: [String]
  /// What a module gave, by its path.
  private var loaded: [String: LuaReference] = [:]
  /// The paths of modules that run now, in the order in which they were required.
  private var loading: [String] = []

  /// A file that is larger is no module.
  private static let largestFile = 16 << 20

  /// What the host has of a file of the standard library.
  package enum StandardLibraryFile {
    case text(String)
    /// What this release of Lua compiled it to.
    case bytecode([UInt8])
  }

  /// The user's files that were required, by their paths below the root, in that order.
  package private(set) var userFiles: [(path: String, text: [UInt8])] = []

  package init(
    root: String, standardLibraryPaths: [String] = [],
    standardLibrary: @escaping (String) -> StandardLibraryFile? = { _ in nil }
  ) {
    self.root = root
    self.standardLibrary = standardLibrary
    self.standardLibraryPaths = standardLibraryPaths
  }

  /// Makes `value` what `require(name)` gives, ahead of every file.
  package func preload(_ name: String, _ value: LuaReference) {
    loaded[Self.path(of: name)] = value
  }

  /// Sets the global function `require`.
  package func install(in lua: LuaState) throws {
    // The state holds this object by the function; the other way round would keep both for ever.
    try lua.setGlobal(function: "require") { call in
      try call.result(self.require(call.string(1), in: call.lua))
    }
  }

  /// What `require(name)` gives.
  ///
  /// Throws `LuaError`: the name is none, there is no such module, it requires itself, or its code fails.
  package func require(_ name: String, in lua: LuaState) throws -> LuaReference {
    let path = try Self.checkedPath(of: name)
    if let value = loaded[path] { return value }
    if let start = loading.firstIndex(of: path) {
      let circle = (loading[start...] + [path]).joined(separator: " -> ")
      throw LuaError("modules require each other in a circle: \(circle)")
    }
    guard let source = try find(path) else { throw notFound(name, path: path) }

    loading.append(path)
    defer { loading.removeLast() }
    let value = try lua.withBalancedStack {
      switch source {
      case .user(let text, let name): try lua.load(text, name: name)
      case .standardLibrary(.text(let text), let name):
        try lua.load(text.utf8, name: name, origin: .standardLibrary)
      case .standardLibrary(.bytecode(let code), let name):
        try lua.load(standardLibraryBytecode: code, name: name)
      }
      try lua.push(path)
      try lua.call(arguments: 1, results: 1)
      if lua.kind(at: -1) == .nil { try lua.push(true) }
      return lua.popReference()
    }
    loaded[path] = value
    return value
  }

  /// Whether `require(name)` finds a module; false for what is no name of one.
  package func exists(_ name: String) -> Bool {
    guard let path = try? Self.checkedPath(of: name) else { return false }
    return loaded[path] != nil
      || Self.files(of: path).contains { file in
        let found = FilePath(below(file))
        return standardLibrary(file) != nil || isRegularFile(found) && (try? requireContained(found)) != nil
      }
  }

  // MARK: Names

  private static func path(of name: String) -> String {
    String(name.map { $0 == "." ? "/" : $0 })
  }

  private static func checkedPath(of name: String) throws -> String {
    let path = path(of: name)
    let isPlain = path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { !$0.isEmpty }
    guard isPlain, name.unicodeScalars.allSatisfy({ $0.value >= 32 }) else {
      throw LuaError(
        "module name '\(name)' must be a path below the script's folder, such as 'methods.mine'"
          + " or 'methods/mine'")
    }
    return path
  }

  private static func files(of path: String) -> [String] { ["\(path).lua", "\(path)/init.lua"] }

  private func below(_ path: String) -> String {
    root.isEmpty ? path : root.hasSuffix("/") ? root + path : "\(root)/\(path)"
  }

  // MARK: Files

  private enum Source {
    case user([UInt8], name: String)
    case standardLibrary(StandardLibraryFile, name: String)
  }

  private func find(_ path: String) throws -> Source? {
    for file in Self.files(of: path) {
      guard let text = try read(file) else { continue }
      userFiles.append((file, text))
      return .user(text, name: below(file))
    }
    for file in Self.files(of: path) {
      if let found = standardLibrary(file) { return .standardLibrary(found, name: file) }
    }
    return nil
  }

  /// The bytes of a regular file, or `nil` if there is none.
  private func read(_ file: String) throws -> [UInt8]? {
    let path = FilePath(below(file))
    guard isRegularFile(path) else { return nil }
    try requireContained(path)
    do { return try fileContents(path, atMost: Self.largestFile, links: .all) } catch {
      throw LuaError("module file \(error)")
    }
  }

  /// A link that leads out of the folder would show a script what is there, if only in an error's words.
  private func requireContained(_ path: FilePath) throws {
    try FileLinks.requireContained(path, in: FilePath(root))
  }

  // MARK: Not found

  private func notFound(_ name: String, path: String) -> LuaError {
    let files = Self.files(of: path)
    let places = files.map { "'\(below($0))'" } + files.map { "'\($0)' in the standard library" }
    let nearest = nearestName(to: path, among: knownPaths(beside: path))
    return LuaError(
      "module \(name: name) not found\(didYouMean: nearest); looked for \(places.joined(separator: ", "))")
  }

  /// Modules of the host and of the standard library, and the files in the folder that the name points to.
  private func knownPaths(beside path: String) -> [String] {
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    let files = names(in: folder).map { folder + $0 } + standardLibraryPaths
    let paths = files.compactMap { file -> String? in
      guard file.hasSuffix(".lua") else { return nil }
      let path = file.dropLast(4)
      return String(path.hasSuffix("/init") ? path.dropLast(5) : path)
    }
    return Set(paths + loaded.keys).sorted()
  }

  private func names(in folder: String) -> [String] {
    let path = FilePath(below(folder.isEmpty ? "." : folder))
    guard (try? requireContained(path)) != nil else { return [] }
    return (try? fileNames(in: path)) ?? []
  }
}
