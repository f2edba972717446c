import ScriptTestSupport
import Testing

/// `m.tokenizer` in scripts.
@Suite struct TokenizerBindingTests {
  let bench: ScriptBench

  init() throws {
    bench = try ScriptBench()
    try bench.makeModel("m", [TestTensor("wte.weight", .f32, [4, 1], [0, 1, 2, 3])])
    try bench.write(
      #"""
      {"added_tokens": [{"id": 3, "content": "<s>", "special": true}],
       "pre_tokenizer": {"type": "WhitespaceSplit"},
       "post_processor": {"type": "TemplateProcessing", "special_tokens": {"<s>": {"ids": [3]}},
        "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}]},
       "model": {"type": "WordLevel", "unk_token": "?", "vocab": {"?": 0, "red": 1, "blue": 2}}}
      """#, to: "m/tokenizer.json")
    try bench.write(#"{"bos_token": {"content": "<s>"}, "eos_token": null}"#, to: "m/tokenizer_config.json")
  }

  private func lines(_ script: String) throws -> [String] {
    try bench.lines("local t = mk.model(here .. 'm').tokenizer\n" + script)
  }

  private func error(_ script: String) -> String {
    bench.error("local t = mk.model(here .. 'm').tokenizer\n" + script)
  }

  @Test func encodesAndDecodes() throws {
    #expect(
      try lines(
        """
        print(table.concat(t:encode("blue red green<s>"), " "))
        local special = t:encode("blue", { special = true })
        print(table.concat(special, " "), table.concat(t:encode("blue", nil), " "))
        print(t:decode { 3, 2, 1, 99 }, t:decode({ 3, 2 }, { skip_special = true }))
        """) == ["2 1 0 3", "3 2\t2", "<s> blue red\tblue"])
  }

  @Test func vocabularyAndSpecialTokens() throws {
    #expect(
      try lines(
        """
        print(t, t.size, t.vocab.blue, t.vocab["<s>"], t.vocab.green, t.vocab == t.vocab)
        local m = mk.model(here .. "m")
        print(m.tokenizer == m.tokenizer, m.tokenizer == t, t == 1)
        print(t:token_to_id("red"), t:token_to_id("green"), t:id_to_token(3), t:id_to_token(-1))
        print(t.special.bos, t.special.eos)
        """) == [
          "tokenizer of 4 tokens\t4\t2\t3\tnil\ttrue", "true\ttrue\tfalse", "1\tnil\t<s>\tnil", "<s>\tnil",
        ])
  }

  /// Of a model with another vocabulary: by the files that it would be saved with.
  @Test func changedVocabularies() throws {
    #expect(
      try lines(
        """
        local m = mk.model(here .. "m")
        local function derived(vocabulary)
          return mk.define_model { names = m:names(), like = m, sources = { m }, tokenizer = vocabulary,
            build = function(name) return m:tensor(name) end }
        end
        local added = derived(m:vocabulary():add { "green" })
        print(table.concat(added.tokenizer:encode("blue green grey<s>"), " "), added.tokenizer.special.bos)
        print(added.tokenizer.vocab == added.tokenizer.vocab, derived(added:vocabulary()).tokenizer.size)
        local cut = derived(m:vocabulary():strip(2)).tokenizer
        print(cut.size, cut.vocab.red, cut.vocab.blue, t.size)
        """) == ["2 4 0 3\t<s>", "true\t5", "2\t1\tnil\t4"])
  }

  /// A row of an embedding, by its token.
  @Test func rowsByToken() throws {
    #expect(
      try lines(
        """
        local m = mk.model(here .. "m")
        print(m:tensor("wte.weight"):index_select(1, { m.tokenizer.vocab.blue + 1 }):sum():item())
        """) == ["2.0"])
  }

  @Test func misuseIsExplained() throws {
    #expect(
      error("print(t.vocabs)").hasSuffix(
        "a tokenizer has no field or method 'vocabs' (did you mean 'vocab'?)"))
    #expect(
      error("t:encode('a', { specials = true })").contains("unknown option 'specials', expected special"))
    #expect(error("t:encode('a', { special = 1 })").contains("special: boolean expected, got number"))
    #expect(error("t:decode { 'a' }").contains("[1]: token id expected, got string"))
    #expect(
      bench.error("print(mk.model(here .. 'one').tokenizer)").contains("has no tokenizer: tokenizer.json, or")
    )
  }
}
