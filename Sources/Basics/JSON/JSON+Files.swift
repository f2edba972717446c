import SystemPackage

extension JSON {
  /// Parses a file; errors name it with line and column.
  package init(contentsOf path: FilePath, duplicateKeys: DuplicateKeys = .lastWins) throws {
    let bytes = try fileContents(path)
    do {
      self = try JSON(parsing: bytes, duplicateKeys: duplicateKeys)
    } catch {
      throw FileError.invalidJSON(path: path, error: error)
    }
  }

  /// Parses a file of which large parts are not to be held, as `init(parsing:skipping:streaming:_:)` does.
  package init(
    contentsOf path: FilePath, skipping skipped: [String]?, streaming streamed: [String]? = nil,
    _ body: @escaping (_ key: String, _ value: JSON) -> Void = { _, _ in }
  ) throws {
    let bytes = try fileContents(path)
    do {
      self = try JSON(parsing: bytes, skipping: skipped, streaming: streamed, body)
    } catch {
      throw FileError.invalidJSON(path: path, error: error)
    }
  }
}
