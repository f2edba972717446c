import CPCRE2

/// A compiled regular expression of Oniguruma's syntax, as tokenizers have them, matched by PCRE2.
///
/// Characters are known as PCRE2 knows them: version 10.42 has Unicode 14.
package final class RegularExpression: @unchecked Sendable {
  // Compiled expressions are only read by matching, so that threads may share one.
  private let code: OpaquePointer
  private let hasMachineCode: Bool
  /// As it was given.
  package let pattern: String

  /// Compiles a pattern; throws what is wrong with it, or what in it is not supported.
  package init(_ pattern: String) throws(ExpressionError) {
    self.pattern = pattern
    let translated = try ExpressionTranslator.translate(pattern, hasProperty: Self.hasProperty)
    switch Self.compile(translated) {
    case .success(let code): self.code = code
    case .failure(let failure): throw .malformed(pattern: pattern, reason: Self.message(failure.status))
    }
    // About eight times as fast, where the processor and the system allow it.
    hasMachineCode = pcre2_jit_compile_8(code, PCRE2_JIT_COMPLETE) == 0
  }

  deinit { pcre2_code_free_8(code) }

  /// Calls `body` with the range of each match in order.
  ///
  /// Empty matches right behind another match are passed over, as the Rust binding `onig` does. Throws where
  /// the expression takes too many steps, or too much memory, to match.
  package func forEachMatch(
    in text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) -> Void
  ) throws {
    let match = Match()
    // The engine wants a pointer even to nothing.
    var nothing: UInt8 = 0
    try withUnsafePointer(to: &nothing) { nothing in
      let start = text.baseAddress ?? nothing
      try forEachRange(in: text) { from in
        var status = search(start, text.count, from, match)
        if status == PCRE2_ERROR_JIT_STACKLIMIT, match.growStack() {
          status = search(start, text.count, from, match)
        }
        if status == PCRE2_ERROR_NOMATCH { return nil }
        guard status >= 0 else {
          throw TokenizationError.matching(expression: pattern, reason: Self.message(status))
        }
        return match.range
      } body: {
        body($0)
      }
    }
  }

  private func search(_ text: UnsafePointer<UInt8>, _ count: Int, _ from: Int, _ match: Match) -> Int32 {
    hasMachineCode
      ? pcre2_jit_match_8(code, text, count, from, PCRE2_NO_UTF_CHECK, match.data, match.context)
      : pcre2_match_8(code, text, count, from, PCRE2_NO_UTF_CHECK, match.data, match.context)
  }

  // MARK: Compiling

  private struct Failure: Error { let status: Int32 }

  private static func compile(_ pattern: String) -> Result<OpaquePointer, Failure> {
    let context = pcre2_compile_context_create_8(nil)
    defer { pcre2_compile_context_free_8(context) }
    pcre2_set_newline_8(context, UInt32(PCRE2_NEWLINE_LF))
    pcre2_set_bsr_8(context, UInt32(PCRE2_BSR_UNICODE))
    let options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C
    let bytes = Array(pattern.utf8)
    var status: Int32 = 0
    var place = 0
    guard let code = pcre2_compile_8(bytes, bytes.count, options, &status, &place, context) else {
      return .failure(Failure(status: status))
    }
    return .success(code)
  }

  private static func hasProperty(_ name: String) -> Bool {
    guard case .success(let code) = compile("\\p{\(name)}") else { return false }
    pcre2_code_free_8(code)
    return true
  }

  private static func message(_ status: Int32) -> String {
    var text = [UInt8](repeating: 0, count: 256)
    let count = pcre2_get_error_message_8(status, &text, text.count)
    return String(decoding: text.prefix(max(0, Int(count))), as: UTF8.self)
  }
}

/// What matching writes to, and its limits: a pattern that backtracks without end fails, in bounded memory.
private final class Match {
  let data = pcre2_match_data_create_8(1, nil)
  let context = pcre2_match_context_create_8(nil)
  private var stack: OpaquePointer?

  init() {
    // As many as Oniguruma allows itself.
    pcre2_set_match_limit_8(context, 10_000_000)
    // In KiB; only where there is no machine code.
    pcre2_set_heap_limit_8(context, 512 << 10)
  }

  deinit {
    pcre2_match_data_free_8(data)
    pcre2_match_context_free_8(context)
    pcre2_jit_stack_free_8(stack)
  }

  /// Gives machine code more than the 32 KiB of stack that it begins with; `false` if it has that already.
  func growStack() -> Bool {
    guard stack == nil else { return false }
    stack = pcre2_jit_stack_create_8(1 << 20, 512 << 20, nil)
    pcre2_jit_stack_assign_8(context, nil, UnsafeMutableRawPointer(stack))
    return stack != nil
  }

  /// Of the last match.
  var range: Range<Int> {
    let bounds = pcre2_get_ovector_pointer_8(data)!
    return bounds[0]..<max(bounds[0], bounds[1])
  }
}

/// Calls `body` with the ranges that `search` finds, each from the end of the one before.
///
/// `search` gets the byte to start at and gives `nil` where nothing follows.
func forEachRange(
  in text: UTF8Bytes, search: (Int) throws -> Range<Int>?, body: (Range<Int>) -> Void
) rethrows {
  var position = 0
  var lastEnd: Int?
  while position <= text.count, let range = try search(position) {
    if range.isEmpty, range.upperBound == lastEnd {
      // Nothing again: on behind the next character.
      guard position < text.count else { return }
      _ = text.nextScalar(&position)
    } else {
      position = range.upperBound
      lastEnd = range.upperBound
      body(range)
    }
  }
}
