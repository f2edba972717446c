import Basics
import Glibc
import SystemPackage

/// The directory beside an output that everything goes through on its way there.
///
/// For an output `OUT` it is called `.OUT.mergekit`, so that there is one at most, and holds
///
///     owner        locked by the process that it belongs to
///     new/         the output, while it grows
///     old/         what of the old contents has been moved out
///     commit.json  written when `new/` is whole and on the disk: from then on the output is completed,
///                  whatever happens
///
/// Nothing but such a directory is ever deleted, and only after it got a name that says so
/// (`.OUT.mergekit-trash-…`): one without a record holds nothing but new files, one that is finished nothing
/// but old ones.
struct StagingDirectory: Sendable {
  let path: FilePath
  /// Held until the directory is finished.
  let lock: OwnerLock

  var new: FilePath { Self.new(in: path) }

  static func new(in staging: FilePath) -> FilePath { staging.appending("new") }
  static func old(in staging: FilePath) -> FilePath { staging.appending("old") }
  static func record(in staging: FilePath) -> FilePath { staging.appending("commit.json") }
  static func owner(in staging: FilePath) -> FilePath { staging.appending("owner") }

  /// Creates one in `parent`, which must exist, for an output called `name`. `nil` if another process has
  /// one there; what a dead one left must have been settled before.
  static func create(in parent: FilePath, for name: String) throws(Errno) -> StagingDirectory? {
    let path = parent.appending(Self.name(for: name))
    while true {
      do throws(Errno) {
        try DirectoryFiles.makeDirectory(path)
      } catch .fileExists { return nil }
      do throws(Errno) {
        // Somebody who took it for a dead one's in this moment moves it away.
        guard let lock = try OwnerLock(owner(in: path)) else { continue }
        try DirectoryFiles.makeDirectory(new(in: path))
        return StagingDirectory(path: path, lock: lock)
      } catch .noSuchFileOrDirectory {
        continue
      } catch {
        DirectoryFiles.removeTree(path)
        throw error
      }
    }
  }

  /// Gives up the directory: all that is in it is trash.
  ///
  /// - Returns: false if it could not be renamed; it is left alone then.
  @discardableResult
  static func discard(_ path: FilePath) -> Bool {
    let parent = path.removingLastComponent()
    for _ in 0..<100 {
      let trash = parent.appending(trashName(of: path, randomName()))
      if DirectoryFiles.exists(trash) { continue }
      do throws(Errno) { try DirectoryFiles.move(path, to: trash) } catch {
        return !DirectoryFiles.exists(path)
      }
      removeTrash(trash)
      return true
    }
    return false
  }

  /// Removes a directory of trash. Another thread may be creating files in it at this moment.
  static func removeTrash(_ trash: FilePath) {
    var attempts = 10
    while !DirectoryFiles.removeTree(trash), attempts > 0 { attempts -= 1 }
  }

  // MARK: Names

  private static let suffix = ".mergekit"
  private static let trashSuffix = "-trash-"

  /// The name for an output's. A long one is cut, as a name has at most 255 bytes, and told from others that
  /// begin alike by a digest.
  static func name(for output: String) -> String {
    guard output.utf8.count > 180 else { return ".\(output)\(suffix)" }
    var scalars = output.unicodeScalars
    while scalars.reduce(0, { $0 + UTF8.width($1) }) > 160 { scalars.removeLast() }
    return ".\(scalars)-\(SHA256.hexadecimal(of: output.utf8).prefix(16))\(suffix)"
  }

  /// A name for trash of the output that a staging directory is for.
  static func trashName(of staging: FilePath, _ end: String) -> String {
    "\(staging.lastComponent?.string ?? "")\(trashSuffix)\(end)"
  }

  /// Whether a name is that of some output's staging directory.
  static func isName(_ name: String) -> Bool { name.hasPrefix(".") && name.hasSuffix(suffix) }

  /// The output whose staging directory has a name, unless that was cut; `nil` for other names.
  static func output(ofName name: String) -> String? {
    isName(name) ? String(name.dropFirst().dropLast(suffix.count)) : nil
  }

  /// Whether a name is that of trash of some output.
  static func isTrashName(_ name: String) -> Bool {
    name.hasPrefix(".") && name.contains(suffix + trashSuffix)
  }

  /// Whether a name is that of trash of an output.
  static func isTrashName(_ name: String, for output: String) -> Bool {
    name.hasPrefix(self.name(for: output) + trashSuffix)
  }

  private static func randomName() -> String {
    let characters = Array("abcdefghijklmnopqrstuvwxyz0123456789")
    return String((0..<6).map { _ in characters[Int.random(in: characters.indices)] })
  }
}
