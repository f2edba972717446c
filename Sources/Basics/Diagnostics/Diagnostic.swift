/// What was wrong, and all that is known of where.
///
/// Whoever notices a fault throws it with what it knows; whoever knows more on the way up adds a field. Words
/// are put together by `DiagnosticRenderer` alone, in the end, and nobody reads them.
///
///     do { try read(entry) } catch { throw Diagnostic(error).inTensor(name).inFile(path) }
package struct Diagnostic: Error {
  /// What was wrong, without its context; empty if `expected` says all.
  package var message: DiagnosticMessage
  /// What should stand there.
  package var expected: DiagnosticMessage?
  /// What stands there instead.
  package var found: DiagnosticMessage?
  /// The name that was likely meant.
  package var suggestion: Suggestion?
  /// All names that are known, said where none is near.
  package var known: [String] = []

  /// Where in the user's file it is.
  package var location: SourceLocation?
  /// The function of the script API whose argument the key path starts from.
  package var function: String?
  /// Where in the table or document it is.
  package var keyPath = KeyPath()
  /// The language of the user's file, which values in the message are written in.
  package var syntax: Syntax = .lua
  /// The data file in which it was found: weights, config.json, a tokenizer.
  package var file: String?
  package var tensor: String?
  /// The label of the model.
  package var model: String?

  /// What to do, or what else is known; each put in parentheses after the sentence.
  package var notes: [DiagnosticMessage] = []
  /// The typed error that it was made of, for those that act on it.
  package var cause: (any Error)?

  package init(_ message: DiagnosticMessage, cause: (any Error)? = nil) {
    self.message = message
    self.cause = cause
  }

  /// `expected a number, found 'half'`.
  package init(expected: DiagnosticMessage, found: DiagnosticMessage? = nil) {
    message = DiagnosticMessage()
    self.expected = expected
    self.found = found
  }

  /// A name that was likely meant.
  package struct Suggestion: Hashable, Sendable {
    package var name: String
    /// The name that was written instead, if that is not what the message is about.
    package var written: String?
    /// What it names, if that is not plain: `command`.
    package var kind: String?
    /// Where it was written, if elsewhere: `3:1`.
    package var position: String?

    package init(_ name: String, written: String? = nil, position: String? = nil) {
      self.name = name
      self.written = written
      self.position = position
    }
  }

  /// How values are written.
  package enum Syntax: String, Hashable, Sendable {
    case lua, yaml, json
  }
}

// MARK: - Adding what is known

extension Diagnostic {
  private func with(_ change: (inout Diagnostic) -> Void) -> Diagnostic {
    var copy = self
    change(&copy)
    return copy
  }

  /// Adds the nearest of the known names, or all of them if none is near and they are few enough to be read.
  package func suggesting(_ name: String, among known: some Sequence<String>, listing: Bool = false)
    -> Diagnostic
  {
    let known = Array(known)
    return with {
      $0.suggestion = nearestName(to: name, among: known).map { Suggestion($0) }
      if $0.suggestion == nil, listing { $0.known = known }
    }
  }

  /// Adds a name that was found to be the nearest before.
  package func suggesting(_ nearest: String?) -> Diagnostic {
    with { if let nearest { $0.suggestion = Suggestion(nearest) } }
  }

  /// Adds the nearest of names of another kind, such as `command`, unless there is one of the kind in question.
  package func suggesting(_ nearest: String?, kind: String) -> Diagnostic {
    with {
      guard let nearest, $0.suggestion == nil else { return }
      $0.suggestion = Suggestion(nearest)
      $0.suggestion?.kind = kind
    }
  }

  /// Adds the location, unless a nearer one is known.
  package func at(_ location: SourceLocation?) -> Diagnostic {
    with { $0.location = $0.location ?? location }
  }

  /// Adds a tensor's name, unless a nearer one is known.
  package func inTensor(_ name: String) -> Diagnostic { with { $0.tensor = $0.tensor ?? name } }

  /// Adds a model's label, unless a nearer one is known.
  package func inModel(_ label: String) -> Diagnostic { with { $0.model = $0.model ?? label } }

  /// Adds the data file, unless a nearer one is known.
  package func inFile(_ path: String) -> Diagnostic { with { $0.file = $0.file ?? path } }

  /// Puts a path before the key path.
  package func under(_ path: KeyPath) -> Diagnostic { with { $0.keyPath = path + $0.keyPath } }

  /// Adds what to do, or what else is known.
  package func noting(_ note: DiagnosticMessage) -> Diagnostic { with { $0.notes.append(note) } }
}

// MARK: - Errors as diagnostics

/// An error that says of itself what a user is to know.
package protocol DiagnosableError: Error, CustomStringConvertible {
  /// The fault with all that the error knows; `cause` is added by `Diagnostic.init(_:)`.
  var diagnostic: Diagnostic { get }
}

/// An error that is more than its diagnostic, and takes in what becomes known on the way up.
package protocol DiagnosticCarrier: Error {
  /// The same error with another diagnostic.
  func changed(_ change: (Diagnostic) -> Diagnostic) -> any Error
}

extension DiagnosableError {
  package var description: String { diagnostic.description }
}

extension Diagnostic {
  /// The diagnostic of any error.
  ///
  /// What does not know of diagnostics, such as an error of a library, is taken by its own words.
  package init(_ error: any Error) {
    switch error {
    case let diagnostic as Diagnostic: self = diagnostic
    case let error as any DiagnosableError:
      self = error.diagnostic
      cause = cause ?? error
    default: self.init(.foreign("\(error)"), cause: error)
    }
  }
}

extension Diagnostic: Equatable {
  /// Whether the same is known, whatever error it was made of.
  package static func == (left: Diagnostic, right: Diagnostic) -> Bool {
    left.message == right.message && left.expected == right.expected && left.found == right.found
      && left.suggestion == right.suggestion && left.known == right.known && left.location == right.location
      && left.function == right.function && left.keyPath == right.keyPath && left.syntax == right.syntax
      && left.file == right.file && left.tensor == right.tensor && left.model == right.model
      && left.notes == right.notes
  }
}

extension Diagnostic: CustomStringConvertible {
  /// The sentence for the user.
  package var description: String { DiagnosticRenderer().sentence(self) }
}
