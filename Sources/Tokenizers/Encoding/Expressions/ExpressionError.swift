import Basics

/// Why a regular expression cannot be compiled.
package enum ExpressionError: Equatable, DiagnosableError {
  /// It is none of Oniguruma's syntax.
  case malformed(pattern: String, reason: String)
  /// It has a construct that PCRE2 has no counterpart of.
  case unsupported(pattern: String, construct: String)

  package var diagnostic: Diagnostic { Diagnostic(message) }

  private var message: DiagnosticMessage {
    switch self {
    case .malformed(let pattern, let reason): "\(pattern) is no regular expression: \(reason)"
    case .unsupported(let pattern, let construct):
      "the regular expression \(pattern) has \(construct), which is not supported"
    }
  }
}
