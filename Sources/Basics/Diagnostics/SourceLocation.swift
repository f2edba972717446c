/// A place in a user's file: `recipe.lua:12`, `config.yml:7:5`.
package struct SourceLocation: Hashable, Sendable, CustomStringConvertible {
  /// The file, as the user named it.
  package var path: String
  /// Counted from 1; `nil` for the file as a whole.
  package var line: Int?
  /// Counted from 1 in Unicode scalars, as editors show it; `nil` where only the line is known.
  package var column: Int?

  package init(path: String, line: Int? = nil, column: Int? = nil) {
    self.path = path
    self.line = line
    self.column = line == nil ? nil : column
  }

  package var description: String {
    path + (line.map { ":\($0)" } ?? "") + (column.map { ":\($0)" } ?? "")
  }
}
