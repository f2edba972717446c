import Foundation
import SystemPackage
import Tokenizers

/// What the Python package makes of a line of the corpus; see scripts/make-tokenizer-fixtures.py.
struct Expectation: Decodable {
  /// The line of the corpus, from 0; in files of the whole corpus it is left out.
  let line: Int?
  let ids: [Int]
  /// The special ids before and behind, where there are any.
  let around: [[Int]]?
  /// What the ids decode to, where that is not the line itself.
  let text: String?
  /// What all ids but special tokens decode to, where that is something else again.
  let bare: String?
}

enum Fixtures {
  static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Fixtures/tokenizers")

  static let corpus: [String] = {
    do { return try lines(of: directory.appendingPathComponent("corpus.jsonl"), as: String.self) } catch {
      fatalError("\(error)")
    }
  }()

  static func lines<Line: Decodable>(of file: URL, as type: Line.Type) throws -> [Line] {
    let decoder = JSONDecoder()
    return try Data(contentsOf: file).split(separator: 0x0A).map { try decoder.decode(Line.self, from: $0) }
  }

  static func small(_ name: String) -> URL { directory.appendingPathComponent("small/\(name)") }

  /// Where a tokenizer gives something else than the package does, in words; up to `limit` of them.
  static func differences(
    _ tokenizer: Tokenizer, from expectations: [Expectation], limit: Int = 3
  ) throws -> [String] {
    var found: [String] = []
    for (index, expectation) in expectations.enumerated() where found.count < limit {
      let number = expectation.line ?? index
      let line = corpus[number]
      func compare<Value: Equatable>(_ what: String, _ value: Value, _ expected: Value) {
        if value != expected {
          found.append("line \(number) \(line.debugDescription): \(what) \(value), not \(expected)")
        }
      }
      let ids = try tokenizer.encode(line)
      let full = (expectation.around?[0] ?? []) + expectation.ids + (expectation.around?[1] ?? [])
      compare("ids", ids, expectation.ids)
      compare("special ids", try tokenizer.encode(line, addSpecialTokens: true), full)
      let text = expectation.text ?? line
      compare("text", Array(try tokenizer.decode(expectation.ids).utf8), Array(text.utf8))
      compare(
        "bare text", Array(try tokenizer.decode(full, skipSpecialTokens: true).utf8),
        Array((expectation.bare ?? text).utf8))
    }
    return found
  }
}
