import Basics

/// What is wrong with a config, and where.
package struct ConfigError: Equatable, DiagnosableError {
  /// The file, as the user named it.
  package let file: String
  /// Line and column from 1, columns in Unicode scalars.
  let place: Place
  /// The way to the value in its document; empty for the document itself.
  let path: KeyPath
  /// What was found, and what was expected.
  let problem: ConfigProblem

  init(_ problem: ConfigProblem, at place: Place, _ path: KeyPath = KeyPath(), in file: String) {
    self.file = file
    self.place = place
    self.path = path
    self.problem = problem
  }

  /// `config.yml:7:5: models[2].parameters.weight: expected a number, found 'half'`.
  package var diagnostic: Diagnostic {
    var diagnostic = problem.diagnostic.at(place.location(in: file)).under(path)
    // The path has the names of the file already.
    diagnostic.syntax = .json
    return diagnostic
  }

  /// Whether a method is not known that has this name, and none of a similar one is.
  package func isUnknown(method name: String) -> Bool { problem == .unknownMethod(name, nearest: nil) }
}
