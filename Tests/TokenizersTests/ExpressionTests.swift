import Foundation
import Testing
import Tokenizers

/// Regular expressions of Oniguruma's syntax.
@Suite struct ExpressionTests {
  private struct Line: Decodable {
    let texts: [String]?
    let pattern: String?
    let matches: [[[Int]]]?
  }

  /// The bytes of the matches that are not empty.
  private func matches(_ expression: RegularExpression, _ text: String) throws -> [[Int]] {
    var found: [[Int]] = []
    try Array(text.utf8).withUnsafeBufferPointer { bytes in
      try expression.forEachMatch(in: bytes) {
        if !$0.isEmpty { found.append([$0.lowerBound, $0.upperBound]) }
      }
    }
    return found
  }

  /// Beside Oniguruma in the Python package; see scripts/make-expression-fixtures.py.
  @Test func matchesOfThePackage() throws {
    let lines = try Fixtures.lines(
      of: Fixtures.directory.appendingPathComponent("expressions.jsonl"), as: Line.self)
    let texts = try #require(lines.first?.texts)
    #expect(lines.count > 270)
    for line in lines.dropFirst() {
      let pattern = try #require(line.pattern)
      do {
        let expression = try RegularExpression(pattern)
        for (text, expected) in zip(texts, try #require(line.matches)) {
          #expect(
            try matches(expression, text) == expected, "\(pattern) in \(text.debugDescription)")
        }
      } catch { Issue.record("\(error)") }
    }
  }

  @Test(arguments: [
    ("(a", "a ( is not closed"), ("a)", "a ) closes nothing"), ("[a", "a [ is not closed"),
    ("[]", "a [ is not closed"), ("*a", "* has nothing to repeat"), ("a|{2}", "{ has nothing to repeat"),
    ("a\\", "it ends in a backslash"), ("\\p{L", "\\p{ is not closed"), ("\\u12", "\\u12 is no character"),
    ("\\x{110000}", "\\x{110000 is no character"), ("[b-a]", "the range b-a is empty"),
    ("[a-\\d]", "a range ends with a class"), ("[\\d-a]", "a range begins with a class"),
    ("(a)\\2", "reference to non-existent subpattern"),
  ])
  func malformed(_ pattern: String, _ reason: String) {
    #expect(throws: ExpressionError.malformed(pattern: pattern, reason: reason)) {
      try RegularExpression(pattern)
    }
  }

  @Test(arguments: [
    ("(?~ab)", "(?~"), ("(?x: a)", "(?x"), ("(?ix)a", "(?ix"), ("(?W:a)", "(?W"), ("(?#a)", "(?#"),
    ("(?(1)a)", "(?("), ("(*FAIL)", "(*"), ("(?<é>a)", "a group whose name is not of ASCII letters"),
    ("(?<a>b)\\k<a>", "\\k"), ("\\g<0>", "\\g"), ("\\Qa\\E", "\\Q"), ("\\cA", "\\c"), ("\\M-a", "\\M"),
    ("\\y", "\\y"), ("\\X", "\\X"), ("\\12", "\\12"), ("\\xE9", "\\xE9"),
    ("\\p{InBasicLatin}", "\\p{InBasicLatin}"),
    ("[\\P{^Foo}]", "\\P{^Foo}"), ("[[:foo:]]", "[:foo:]"), ("[a&&]", "an intersection with nothing"),
    ("a{3,1}", "{3,1}, whose bounds are in the wrong order"),
    (
      String(repeating: "(", count: 5000),
      "more than 100 groups and classes within each other"
    ),
    (
      String(repeating: "[", count: 5000),
      "more than 100 groups and classes within each other"
    ),
  ])
  func unsupported(_ pattern: String, _ construct: String) {
    #expect(throws: ExpressionError.unsupported(pattern: pattern, construct: construct)) {
      try RegularExpression(pattern)
    }
  }

  @Test func errorsAreExplained() {
    #expect(
      "\(ExpressionError.unsupported(pattern: "(?~a)", construct: "(?~"))"
        == "the regular expression (?~a) has (?~, which is not supported")
    #expect(
      "\(ExpressionError.malformed(pattern: "(a", reason: "a ( is not closed"))"
        == "(a is no regular expression: a ( is not closed")
  }

  /// Backtracking without end is given up.
  @Test(arguments: ["(a+)+$", "(a|aa)+$", "(?:a*)*[bd]"])
  func endlessMatching(_ pattern: String) throws {
    let expression = try RegularExpression(pattern)
    #expect(throws: TokenizationError.matching(expression: pattern, reason: "match limit exceeded")) {
      try matches(expression, String(repeating: "a", count: 5000) + "c")
    }
  }

  /// Groups that repeat over a long text need more stack than there is at first.
  @Test(arguments: ["[\\p{L}&&[^\\p{Han}]]+", "(?:[a-c]|d)+", "(a|b)*c"])
  func longMatches(_ pattern: String) throws {
    let text = String(repeating: "ab", count: 500_000) + "c"
    #expect(try matches(RegularExpression(pattern), text) == [[0, 1_000_001]])
  }
}
