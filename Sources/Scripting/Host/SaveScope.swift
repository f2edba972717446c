import Basics
import Lua
import SystemPackage

/// Where scripts of a run may save models, and what they may replace there: a recipe may come from anyone.
struct SaveScope {
  /// The folders below which they may, as the user named them.
  private let folders: [FilePath]
  /// What the run has saved, without links.
  private var saved: Set<FilePath> = []

  init(folders: [String]) { self.folders = folders.map { FilePath($0) } }

  /// The path without links, if a model may be saved there.
  ///
  /// - Parameter replaces: Whether what is there may go: what the run itself has saved always may if the script says
  ///   so, what was there before only if the user said so.
  func checked(_ path: FilePath, force: Bool, replaces: Bool) throws -> FilePath {
    guard let target = Self.resolved(path),
      folders.contains(where: { Self.resolved($0).map { target != $0 && target.starts(with: $0) } ?? false })
    else {
      let allowed = folders.map { "'\($0)'" }.joined(separator: ", ")
      throw LuaError(
        "save: '\(path)' is outside of what this run may write"
          + (allowed.isEmpty ? "" : ", which is what lies below \(allowed)")
          + "; --allow-write DIR adds a folder")
    }
    if force, !replaces, !saved.contains(target), Self.hasContents(target) {
      throw LuaError("save: '\(path)' was there before this run: 'force' replaces it only with --force")
    }
    return target
  }

  /// Whether something is at a path that a save would replace: a file, or what a directory holds.
  private static func hasContents(_ path: FilePath) -> Bool {
    (try? fileNames(in: path)).map { !$0.isEmpty } ?? DirectoryFiles.exists(path)
  }

  /// Whether the script may have `target` replaced: it is its own.
  func isOwn(_ target: FilePath) -> Bool { saved.contains(target) }

  mutating func noteSaved(_ target: FilePath) { saved.insert(target) }

  /// Whether all that a directory holds was saved by this run.
  func madeContents(of path: FilePath) -> Bool {
    guard let folder = Self.resolved(path), let names = try? fileNames(in: folder), !names.isEmpty else {
      return false
    }
    return names.allSatisfy { name in saved.contains { $0.starts(with: folder.appending(name)) } }
  }

  /// The absolute path without links of what exists or is to be made; `nil` if it cannot be told.
  private static func resolved(_ path: FilePath) -> FilePath? {
    guard !path.isEmpty, let working = DirectoryFiles.workingDirectory else { return nil }
    var existing = path.isAbsolute ? path : working.pushing(path)
    var missing: [FilePath.Component] = []
    while true {
      if let real = try? DirectoryFiles.realPath(existing) {
        return missing.reversed().reduce(real) { $0.appending($1) }
      }
      guard let last = existing.lastComponent, last.kind == .regular, !DirectoryFiles.exists(existing) else {
        return nil
      }
      missing.append(last)
      existing.removeLastComponent()
    }
  }
}
