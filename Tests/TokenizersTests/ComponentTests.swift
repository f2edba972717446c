import Basics
import Testing
import Tokenizers

/// What single components make of texts that the corpus of the fixtures does not have; by `tokenizers` 0.23.
@Suite struct ComponentTests {
  /// Whether a normalizer makes one text of another.
  private func normalizes(_ type: String, _ text: String, to expected: String) throws -> Bool {
    let word = JSON.string(expected).text(.compact)
    let tokenizer = try Tokenizer(
      json: JSON(
        parsing: """
          {"normalizer": {"type": "\(type)"},
           "model": {"type": "WordLevel", "vocab": {"?": 0, \(word): 1}, "unk_token": "?"}}
          """), file: "t.json")
    return try tokenizer.encode(text) == [1]
  }

  /// Characters of Unicode 10 and later stay as they are, and where they are.
  @Test(arguments: [
    ("NFKC", "\u{337B}", "平成"), ("NFKC", "\u{32FF}", "\u{32FF}"), ("NFKD", "\u{10781}", "\u{10781}"),
    ("NFD", "\u{11938}", "\u{11938}"), ("NFC", "\u{11935}\u{11930}", "\u{11935}\u{11930}"),
    ("NFC", "a\u{301}\u{316}", "\u{E1}\u{316}"), ("NFC", "a\u{1DF6}\u{316}", "a\u{1DF6}\u{316}"),
    ("NFD", "é\u{1DF6}é", "e\u{301}\u{1DF6}e\u{301}"),
  ])
  func normalFormsAreOfUnicode9(_ form: String, _ text: String, _ expected: String) throws {
    #expect(try normalizes(form, text, to: expected))
  }

  private func unigram(_ scores: [String]) throws -> Tokenizer {
    try Tokenizer(
      json: JSON(
        parsing: """
          {"model": {"type": "Unigram", "unk_id": 0, "vocab":
           [["<unk>", 0], ["y", \(scores[0])], ["x", \(scores[1])], ["xx", \(scores[2])]]}}
          """), file: "t.json")
  }

  /// `y x xx` and `y xx x` have the same score but for rounding: that of serde_json decides.
  @Test func scoresAreReadAsTheReferenceDoes() throws {
    let scores = ["-9.093460836685159", "-11.05241284184757", "-12.18624966272353"]
    #expect(try unigram(scores).encode("yxxx") == [1, 2, 3])
    // The same numbers with more digits, which do not fit into 64 bits, are no others.
    let longer = scores.map { $0 + "000000000000" }
    #expect(try unigram(longer).encode("yxxx") == [1, 2, 3])
    #expect(throws: TokenizationError.self) { try unigram(["-1e999", "-1", "-1"]) }
    #expect(try unigram(["-1e-999", "-10e-1", "-0.25E1"]).encode("yxx") == [1, 2, 2])
  }
}
