/// The words of a message with the values in it kept apart, so that whoever renders it decides how they look.
///
/// Written as an interpolated string, whose literal text is ours and whose values may be anybody's:
///
///     "tensor \(tensor: name) has shape \(shape), expected \(value: .list([4, 8]))"
package struct DiagnosticMessage: Hashable, Sendable {
  package enum Part: Hashable, Sendable {
    /// Words of this program.
    case words(String)
    /// A value as it is, such as a number or a path.
    case plain(String)
    /// A name, which is put in quotes.
    case name(String)
    /// The name of a tensor, put in quotes; that the message has it is not said once more before it.
    case tensor(String)
    /// The same for the label of a model.
    case model(String)
    /// The name of a field in the user's file, which that file's language may call otherwise.
    case key(String)
    /// A value in the syntax of the user's file.
    case value(DiagnosticValue)
    /// The name that was likely meant, in parentheses, where it is not that of the whole message.
    case suggestion(Diagnostic.Suggestion)
    /// Text of several lines that somebody else worded, such as a script.
    case foreign(String)
  }

  package private(set) var parts: [Part]

  package init(_ parts: [Part] = []) { self.parts = parts }

  package var isEmpty: Bool { parts.isEmpty }

  package static func + (left: DiagnosticMessage, right: DiagnosticMessage) -> DiagnosticMessage {
    DiagnosticMessage(left.parts + right.parts)
  }

  package static func += (left: inout DiagnosticMessage, right: DiagnosticMessage) {
    left.parts += right.parts
  }

  /// The words of somebody else, as they are.
  package static func foreign(_ text: String) -> DiagnosticMessage { DiagnosticMessage([.foreign(text)]) }

  /// Names in quotes, with commas between them.
  package static func names(_ names: some Sequence<String>, separator: String = ", ") -> DiagnosticMessage {
    var parts: [Part] = []
    for name in names {
      if !parts.isEmpty { parts.append(.words(separator)) }
      parts.append(.name(name))
    }
    return DiagnosticMessage(parts)
  }
}

/// A value as the user's file has it.
package indirect enum DiagnosticValue: Hashable, Sendable {
  case null
  case boolean(Bool)
  case integer(Int)
  case number(Double)
  case text(String)
  case list([DiagnosticValue])
  /// A key and its value, or several, in order.
  case fields([Field])

  package struct Field: Hashable, Sendable {
    package var key: String
    package var value: DiagnosticValue

    package init(_ key: String, _ value: DiagnosticValue) {
      self.key = key
      self.value = value
    }
  }
}

extension DiagnosticMessage: ExpressibleByStringInterpolation {
  package init(stringLiteral value: String) { self.init([.words(value)]) }

  package init(stringInterpolation interpolation: Interpolation) { self.init(interpolation.parts) }

  package struct Interpolation: StringInterpolationProtocol {
    var parts: [Part] = []

    package init(literalCapacity: Int, interpolationCount: Int) {
      parts.reserveCapacity(2 * interpolationCount + 1)
    }

    package mutating func appendLiteral(_ literal: String) {
      if !literal.isEmpty { parts.append(.words(literal)) }
    }

    package mutating func appendInterpolation(_ value: some CustomStringConvertible) {
      parts.append(.plain(value.description))
    }

    package mutating func appendInterpolation(_ message: DiagnosticMessage) { parts += message.parts }

    /// Words that this program chose, such as a plural.
    package mutating func appendInterpolation(words: String) {
      if !words.isEmpty { parts.append(.words(words)) }
    }

    package mutating func appendInterpolation(name: String) { parts.append(.name(name)) }

    package mutating func appendInterpolation(tensor: String) { parts.append(.tensor(tensor)) }

    package mutating func appendInterpolation(model: String) { parts.append(.model(model)) }

    package mutating func appendInterpolation(key: String) { parts.append(.key(key)) }

    package mutating func appendInterpolation(value: DiagnosticValue) { parts.append(.value(value)) }

    package mutating func appendInterpolation(didYouMean nearest: String?) {
      if let nearest { parts.append(.suggestion(Diagnostic.Suggestion(nearest))) }
    }

    package mutating func appendInterpolation(foreign: String) { parts.append(.foreign(foreign)) }
  }
}
