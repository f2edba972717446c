import Basics
import Foundation
import ScriptTestSupport
import Testing

/// Models whose tokenizer is SentencePiece's tokenizer.model, alone or beside tokenizer.json.
@Suite struct SentencePieceTests {
  private let bench: ScriptBench

  init() throws { bench = try ScriptBench() }

  /// A SentencePiece model of pieces with the numbers of their types, all of whose bytes are ASCII.
  private static func file(_ pieces: [(text: String, kind: Int)], after: String = "") -> String {
    pieces.map { piece in
      var message = "\n\(byte(piece.text.utf8.count))\(piece.text)"
      if piece.kind != 1 { message += "\u{18}\(byte(piece.kind))" }
      return "\n\(byte(message.utf8.count))\(message)"
    }.joined() + after
  }

  private static func byte(_ number: Int) -> String { String(UnicodeScalar(UInt8(number))) }

  private static let pieces = file([("<unk>", 2), ("<s>", 3), ("</s>", 3), ("a", 1), ("b", 1), ("<x>", 4)])
  private static let llama = #"{"tokenizer_class": "LlamaTokenizer"}"#

  private func makeModel(_ name: String, _ files: [String: String], rows: Int = 6) throws {
    try bench.makeModel(
      name, [TestTensor("model.embed_tokens.weight", .f32, [rows, 1], (0..<rows).map(Float.init))],
      config: #"{"vocab_size": \#(rows)}"#)
    for (file, text) in files { try bench.write(text, to: "\(name)/\(file)") }
  }

  private func words(_ expression: String) throws -> String {
    try bench.lines(
      "local v = \(expression); local t, i = v:tokens(); for k, s in ipairs(t) do t[k] = i[k] .. ' ' .. s end print(table.concat(t, ' '))"
    ).joined()
  }

  private func save(_ name: String, _ tokenizer: String) throws {
    if bench.exists("out") { try bench.remove("out") }
    try bench.lines(
      """
      local m = mk.model(here .. '\(name)')
      local v = m:vocabulary()
      mk.define_model { like = m, sources = { m }, names = m:names(), tokenizer = \(tokenizer),
        build = function(name) return m:tensor(name) end }:save(here .. 'out')
      """)
  }

  private func json(_ name: String) throws -> JSON { try JSON(parsing: try bench.bytes(name)) }

  @Test(arguments: [
    llama, #"{"tokenizer_class": "GemmaTokenizerFast"}"#, "",
  ])
  func piecesAreTokens(config: String) throws {
    try makeModel("m", ["tokenizer.model": Self.pieces])
    try bench.write(#"{"model_type": "llama", "vocab_size": 6}"#, to: "m/config.json")
    if !config.isEmpty { try bench.write(config, to: "m/tokenizer_config.json") }
    #expect(try words("mk.model(here .. 'm'):vocabulary()") == "0 <unk> 1 <s> 2 </s> 3 a 4 b 5 <x>")
  }

  /// Classes that number their tokens otherwise, and files that are none.
  @Test func whatIsNotRead() throws {
    for name in ["XLMRobertaTokenizer", "T5Tokenizer", "NllbTokenizerFast"] {
      try makeModel(
        "m", ["tokenizer.model": Self.pieces, "tokenizer_config.json": #"{"tokenizer_class": "\#(name)"}"#])
      #expect(
        bench.error("mk.model(here .. 'm'):vocabulary()").contains("only tokenizer.model, which is not read"))
    }
    for text in ["", "x", "\n\u{7f}a", "\n\u{2}\n\u{5}", "\u{8}", "\n\u{4}\u{18}\u{9}\n\u{0}"] {
      try makeModel("m", ["tokenizer.model": text, "tokenizer_config.json": Self.llama])
      #expect(
        bench.error("mk.model(here .. 'm'):vocabulary()").contains(
          "m/tokenizer.model: SentencePiece model: expected "))
    }
  }

  /// What llama.cpp's converter reads beside tokenizer.model: the added tokens with their ids.
  @Test func addedTokensStandBesideThePieces() throws {
    try makeModel("m", ["tokenizer.model": Self.pieces, "tokenizer_config.json": Self.llama])
    try save("m", "v:add { '<new>' }")
    #expect(try bench.text("out/tokenizer.model") == Self.pieces)
    #expect(try json("out/added_tokens.json")["<new>"]?.intValue == 6)
    let decoder = try json("out/tokenizer_config.json")["added_tokens_decoder"]
    #expect(decoder?["6"]?["content"]?.stringValue == "<new>")
    #expect(decoder?["1"]?["special"]?.boolValue == true)
    #expect(decoder?["5"]?["special"]?.boolValue == false)
    #expect(decoder?["3"] == nil)
    #expect(try words("mk.model(here .. 'out'):vocabulary()").hasSuffix("5 <x> 6 <new>"))
  }

  /// tokenizer.json has the new tokens; other tools read the old tokenizer.model, and these tables beside it.
  @Test(arguments: ["tokenizer.model", "spiece.model"])
  func aUnionBesideAnOldModelFile(name: String) throws {
    let definition = #"""
      {"model": {"type": "BPE", "vocab": {"<unk>": 0, "a": 1, "b": 2}, "merges": []},
       "added_tokens": [{"id": 0, "content": "<unk>", "special": true}]}
      """#
    try makeModel(
      "m", ["tokenizer.json": definition, name: "pieces", "tokenizer_config.json": Self.llama], rows: 3)
    try save("m", "v:add { '<new>' }")
    #expect(try json("out/added_tokens.json")["<new>"]?.intValue == 3)
    let decoder = try json("out/tokenizer_config.json")["added_tokens_decoder"]
    #expect(decoder?["3"]?["content"]?.stringValue == "<new>")
    #expect(decoder?["0"]?["content"]?.stringValue == "<unk>")
    #expect(try bench.text("out/\(name)") == "pieces")
    // Without such a file there is nobody to write them for.
    try makeModel("n", ["tokenizer.json": definition, "tokenizer_config.json": Self.llama], rows: 3)
    try save("n", "v:add { '<new>' }")
    #expect(!bench.exists("out/added_tokens.json"))
  }

  @Test func piecesAreCut() throws {
    let trailer = "\u{12}\u{2}ab"
    try makeModel(
      "m",
      [
        "tokenizer.model": Self.pieces + trailer,
        "tokenizer_config.json":
          #"{"tokenizer_class": "LlamaTokenizer", "eos_token": "</s>", "pad_token": "<x>"}"#,
      ])
    try save("m", "v:strip(4)")
    #expect(
      try bench.text("out/tokenizer.model")
        == Self.file(
          [("<unk>", 2), ("<s>", 3), ("</s>", 3), ("a", 1)], after: trailer))
    #expect(try words("mk.model(here .. 'out'):vocabulary()") == "0 <unk> 1 <s> 2 </s> 3 a")
  }

  // MARK: Merges

  private let merge = """
    mk.merge { method = 'linear', models = { { mk.model(here .. 'a'), weight = 1 }, { mk.model(here .. 'b'), weight = 1 } },
      tokenizer = 'SOURCE' }
    """

  @Test func modelsOfPiecesMerge() throws {
    try makeModel("a", ["tokenizer.model": Self.pieces, "tokenizer_config.json": Self.llama])
    let other = Self.file([("<unk>", 2), ("<s>", 3), ("</s>", 3), ("b", 1), ("c", 1)])
    try makeModel("b", ["tokenizer.model": other, "tokenizer_config.json": Self.llama], rows: 5)
    let base = try bench.tensor(
      "return " + merge.replacing("SOURCE", with: "base"), "model.embed_tokens.weight")
    #expect(base.elements == [0, 1, 2, 3, 3.5, 5])
    #expect(
      bench.warnings.map { $0.replacing(bench.folder + "/", with: "") } == [
        "tokenizer: 1 token of 'b' is not in the result's vocabulary, and its row is left out: 'c'"
      ])
    let union = try bench.tensor(
      "return " + merge.replacing("SOURCE", with: "union"), "model.embed_tokens.weight")
    #expect(union.elements == [0, 1, 2, 3, 3.5, 5, 4])
  }

  /// Tokenizers of a form that is not read: equal bytes are equal tokenizers.
  @Test func equalFilesNeedNoReading() throws {
    let files = ["spiece.model": "opaque", "tokenizer_config.json": #"{"tokenizer_class": "T5Tokenizer"}"#]
    try makeModel("a", files)
    try makeModel("b", files)
    let script = "return " + merge.replacing("SOURCE", with: "base")
    #expect(try bench.tensor(script, "model.embed_tokens.weight").elements == [0, 1, 2, 3, 4, 5])
    try bench.write("other", to: "b/spiece.model")
    #expect(bench.outputError(script).contains("only spiece.model, which is not read"))
    // New tokens would need reading.
    try bench.write("opaque", to: "b/spiece.model")
    #expect(bench.outputError("return " + merge.replacing("SOURCE", with: "union")).contains("is not read"))
  }
}
