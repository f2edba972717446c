import SystemPackage

extension JSON {
  /// Parses a file; errors name it with line and column.
  package init(contentsOf path: FilePath, duplicateKeys: DuplicateKeys = .lastWins) throws {
    self = try Self.parsing(fileContents(path), of: path) { bytes throws(JSONError) in
      try JSON(parsing: bytes, duplicateKeys: duplicateKeys)
    }
  }

  /// Parses the bytes of a file in some way; errors name it with line and column.
  static func parsing(
    _ bytes: [UInt8], of path: FilePath, _ parse: (_ bytes: [UInt8]) throws(JSONError) -> JSON
  ) throws -> JSON {
    do throws(JSONError) { return try parse(bytes) } catch {
      throw FileError.invalidJSON(path: path, error: error)
    }
  }
}
