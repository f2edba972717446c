import SystemPackage

/// The files of a model — weights, config.json, tokenizer, code — by name, whatever holds them: a directory, a
/// snapshot in a cache, an archive.
///
/// A name is relative, with `/` between folders, and never leads out.
package protocol ModelFiles: Sendable {
  /// Where they are, for messages.
  var path: FilePath { get }

  /// The names at the top (`""`) or in a folder, folders among them, sorted by their bytes.
  func names(in folder: String) throws -> [String]

  /// Whether there is a regular file of that name.
  func has(_ name: String) -> Bool

  /// Opens a regular file.
  func open(_ name: String) throws -> InputFile

  /// Where a file is, for messages.
  func path(of name: String) -> FilePath
}

extension ModelFiles {
  /// The names at the top.
  package var names: [String] { get throws { try names(in: "") } }

  /// The bytes of a file.
  package func contents(_ name: String) throws -> [UInt8] { try open(name).contents() }

  /// Whether there is a regular file of that name; that it cannot be found out is an error, and not an absence.
  package func holds(_ name: String) throws -> Bool {
    if has(name) { return true }
    do throws(Errno) { return try DirectoryFiles.type(at: path(of: name)) == .regular } catch {
      throw FileError.system(action: "read", path: path(of: name), errno: error)
    }
  }

  /// Whether there is a folder of that name.
  package func isFolder(_ name: String) throws -> Bool {
    do throws(Errno) { return try DirectoryFiles.type(at: path(of: name)) == .directory } catch {
      throw FileError.system(action: "read", path: path(of: name), errno: error)
    }
  }

  /// The value of a JSON file; errors name it with line and column.
  package func json(_ name: String, duplicateKeys: JSON.DuplicateKeys = .lastWins) throws -> JSON {
    let file = try open(name)
    return try JSON.parsing(file.contents(), of: file.path) { bytes throws(JSONError) in
      try JSON(parsing: bytes, duplicateKeys: duplicateKeys)
    }
  }

  /// The value of a JSON file; `nil` if there is none of that name.
  package func optionalJSON(_ name: String) throws -> JSON? { try holds(name) ? json(name) : nil }

  /// The value of a JSON file of which large parts are not to be held, as `JSON.init(parsing:skipping:streaming:_:)`
  /// reads it.
  package func json(
    _ name: String, skipping skipped: [String]?, streaming streamed: [String]?,
    _ body: @escaping (_ key: String, _ value: JSON) -> Void
  ) throws -> JSON {
    let file = try open(name)
    return try JSON.parsing(file.contents(), of: file.path) { bytes throws(JSONError) in
      try JSON(parsing: bytes, skipping: skipped, streaming: streamed, body)
    }
  }
}

/// The files in a directory. Symbolic links are followed within it and into a hub cache's blobs, of which a snapshot is
/// made; elsewhere only from a file that the user named.
package struct ModelDirectory: ModelFiles {
  package let path: FilePath
  /// The name of the file that the user named, if it was one.
  private let named: String?
  /// What the paths of the files begin with.
  private let prefix: FilePath

  package init(_ path: FilePath) { (self.path, prefix, named) = (path, path, nil) }

  /// The directory that a file is in; messages name the file as it was given.
  package init(of file: FilePath) {
    prefix = file.removingLastComponent()
    named = file.lastComponent?.string
    path = prefix.isEmpty ? "." : prefix
  }

  package func path(of name: String) -> FilePath { prefix.pushing(FilePath(name)) }

  package func names(in folder: String) throws -> [String] {
    try fileNames(in: folder.isEmpty ? path : self.path(of: folder))
  }

  package func has(_ name: String) -> Bool { isRegularFile(path(of: name)) }

  package func open(_ name: String) throws -> InputFile {
    try InputFile(path: path(of: name), links: name == named ? .all : .withinFolder)
  }
}

/// Whether a regular file, or a link to one, stands at a path.
package func isRegularFile(_ path: FilePath) -> Bool { (try? path.stat())?.type == .regular }
