import Foundation
import SystemPackage
import Testing
import Tokenizers

/// Ids and texts beside those of the Python package `tokenizers`.
@Suite struct ParityTests {
  private static let names = [
    "bert", "bert-cased", "byte-normalizer", "clip", "deepseek", "gpt2", "kimi", "llama2", "llama3",
    "mistral",
    "o200k", "precompiled", "prefixed", "punctuation", "roberta", "scripts", "smollm", "splits", "t5",
    "unigram-bytes", "words",
  ]

  /// Small tokenizers, which together have every kind of component.
  @Test(arguments: names) func smallTokenizers(_ name: String) throws {
    let tokenizer = try Tokenizer(contentsOf: FilePath(Fixtures.small("\(name).json").path))
    let expectations = try Fixtures.lines(of: Fixtures.small("\(name).jsonl"), as: Expectation.self)
    #expect(expectations.count > 90)
    #expect(try Fixtures.differences(tokenizer, from: expectations) == [])
  }

  @Test func everySmallTokenizerIsTested() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: Fixtures.small("").path)
    #expect(files.filter { $0.hasSuffix(".json") }.map { String($0.dropLast(5)) }.sorted() == Self.names)
  }

  /// Real tokenizers, over the whole corpus: scripts/check-tokenizers fetches them and unpacks what is
  /// expected.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["REAL_TOKENIZERS"] != nil))
  func realTokenizers() throws {
    let folder = URL(fileURLWithPath: try #require(ProcessInfo.processInfo.environment["REAL_TOKENIZERS"]))
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    #expect(names.count >= 5)
    for name in names {
      let model = folder.appendingPathComponent(name)
      let tokenizer = try Tokenizer(contentsOf: FilePath(model.path))
      let expectations = try Fixtures.lines(
        of: model.appendingPathComponent("expected.jsonl"), as: Expectation.self)
      #expect(expectations.count == Fixtures.corpus.count && expectations.count >= 2000)
      let differences = try Fixtures.differences(tokenizer, from: expectations)
      #expect(differences == [], "\(name)")
      if differences.isEmpty {
        print("\(name): \(tokenizer.count) tokens, \(expectations.count) lines equal")
      }
    }
  }
}
