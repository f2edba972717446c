import Foundation
import ScriptTestSupport
import Testing

/// `hidden_states` and `next_token_logits` in scripts. Numbers are compared with transformers in
/// InferenceTests.
@Suite struct InferenceBindingTests {
  let bench: ScriptBench

  init() throws {
    bench = try ScriptBench()
    // What transformers computes of it is in cases.json, as `llama`.
    let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Fixtures/inference")
    for name in ["base", "other"] {
      try bench.write(Self.config, to: "\(name)/config.json")
      try FileManager.default.copyItem(
        at: fixtures.appending(path: "plain.safetensors"),
        to: URL(fileURLWithPath: "\(bench.folder)/\(name)/model.safetensors"))
    }
  }

  private static let config = """
    {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 40, "num_hidden_layers": 3,
     "hidden_size": 24, "intermediate_size": 40, "num_attention_heads": 3, "num_key_value_heads": 1,
     "rms_norm_eps": 1e-5, "max_position_embeddings": 128, "tie_word_embeddings": false}
    """

  @Test func aTensorForEachLayerWithARowForEachPrompt() throws {
    let lines = try bench.lines(
      """
      local m = mk.model(here .. "base")
      local states = m:hidden_states { { 1, 2, 3 }, { 4 } }
      print(#states, states[1], states[3], m:next_token_logits { { 1, 2, 3 }, { 4 }, { 5 } })
      local mean = m:hidden_states({ { 1, 2, 3 }, { 4 } }, { pool = "mean" })
      local rows = m:tensor("model.embed_tokens.weight"):index_select(1, { 4, 5 })
      print((states[1] - rows):abs():max():item())
      local all = m:tensor("model.embed_tokens.weight"):narrow(1, 2, 3):mean(1)
      print((mean[1]:narrow(1, 1, 1):reshape(24) - all):abs():max():item() < 1e-6)
      print((mean[2]:narrow(1, 2, 1) - states[2]:narrow(1, 2, 1)):abs():max():item())
      print((mean[2] - states[2]):norm():item() > 0.1)
      """)
    #expect(
      lines == [
        "3\ttensor [2, 24] float32\ttensor [2, 24] float32\ttensor [3, 40] float32", "0.0", "true", "0.0",
        "true",
      ])
  }

  /// A merge is run as what it writes is run.
  @Test func mergesAreRunWithoutBeingWritten() throws {
    let lines = try bench.lines(
      """
      local scaled = mk.model(here .. "other"):map(function(t, info)
        return info.kind == "weight" and t * 1.5 or t
      end)
      local merge = mk.merge { method = "slerp", parameters = { t = 0.4 }, base = mk.model(here .. "base"), dtype = "float32",
        models = { mk.model(here .. "base"), scaled } }
      merge:save(here .. "merged", { dtype = "float32" })
      local written = mk.model(here .. "merged")
      local prompts = { { 1, 2, 3, 4, 5 }, { 6, 7 } }
      local found, expected = merge:hidden_states(prompts), written:hidden_states(prompts)
      local base = mk.model(here .. "base"):hidden_states(prompts)
      for i = 1, 3 do
        print((found[i] - expected[i]):abs():max():item(), (found[i] - base[i]):norm():item() > 0.1)
      end
      """)
    #expect(lines == ["0.0\tfalse", "0.0\ttrue", "0.0\ttrue"])
  }

  @Test func badArgumentsAreNamed() throws {
    func error(_ call: String) -> String { bench.error("local m = mk.model(here .. 'base'); m:\(call)") }
    let start = "recipe.lua:1: bad argument #"
    #expect(error("hidden_states()") == "\(start)1 to 'hidden_states' (table expected, got no value)")
    #expect(
      error("hidden_states { { 1 }, 2 }")
        == "\(start)1 to 'hidden_states' (prompt 2: list of token ids expected, got number)")
    #expect(
      error("next_token_logits { { 1, 'a' } }")
        == "\(start)1 to 'next_token_logits' (prompt 1: token 2: integer expected, got string)")
    #expect(
      error("hidden_states({ { 1 } }, { pool = 'men' })")
        == "\(start)2 to 'hidden_states' (pool: 'last' or 'mean' expected, got 'men' (did you mean 'mean'?))")
    #expect(
      error("hidden_states({ { 1 } }, { pol = 'mean' })")
        == "\(start)2 to 'hidden_states' (unknown option 'pol', expected pool)")
    #expect(
      error("inputs { { 1 } }")
        == "\(start)2 to 'inputs' (statistic: 'gram', 'mean_abs' or 'sum_squares' expected, got nothing)")
    #expect(
      error("inputs({ { 1 } }, { statistic = 'grm' })")
        == "\(start)2 to 'inputs' (statistic: 'gram', 'mean_abs' or 'sum_squares' expected, got 'grm' (did you mean 'gram'?))"
    )
    #expect(
      error("inputs({}, { statistic = 'gram' })") == "recipe.lua:1: inputs: expected at least one prompt")
    #expect(error("hidden_states {}") == "recipe.lua:1: hidden_states: expected at least one prompt")
    #expect(error("hidden_states { { 1 }, {} }") == "recipe.lua:1: hidden_states: prompt 2 has no tokens")
    #expect(
      error("next_token_logits { { 1, 40 } }")
        == "recipe.lua:1: next_token_logits: prompt 1: token 2 is 40, expected 0 to 39, the vocabulary of model 'base'"
    )
  }

  /// What enters linear layers is a model with the weights' names, which can be saved and be a setting.
  @Test func inputsAreModels() throws {
    let lines = try bench.lines(
      """
      local m = mk.model(here .. "base")
      local prompts = { { 1, 2, 3, 4, 5 }, { 6, 7 } }
      local gram = m:inputs(prompts, { statistic = "gram" })
      local squares = m:inputs(prompts, { statistic = "sum_squares" })
      print(gram, #gram:names(), gram.num_layers == m.num_layers, gram:has "model.norm.weight")
      gram:save(here .. "grams")
      local saved = mk.model(here .. "grams")
      for _, part in ipairs { "self_attn.q_proj", "self_attn.v_proj", "mlp.down_proj" } do
        local name = ("model.layers.1.%s.weight"):format(part)
        local g, width = gram:tensor(name), m:tensor(name).shape[2]
        local rank = mk.zeros { 1, width }:rank(2)
        local diagonal = (g * rank:eq(rank:transpose())):sum(1):reshape { width }
        print(
          g.shape[1] == width and g.shape[2] == width, (g - saved:tensor(name)):abs():max():item(),
          (g - g:transpose()):abs():max():item(), (diagonal / squares:tensor(name) - 1):abs():max():item() < 1e-6)
      end
      local magnitudes = m:inputs(prompts, { statistic = "mean_abs" })
      local aim = mk.merge { method = "aim", base = m, models = { m:map(function(t) return t end) }, parameters = { activations = magnitudes } }
      print((aim:tensor "model.norm.weight" - m:tensor "model.norm.weight"):abs():max():item())
      """)
    #expect(
      lines.dropFirst() == [String](repeating: "true\t0.0\t0.0\ttrue", count: 3)[...] + ["0.0"])
    #expect(lines.first?.hasSuffix("\t21\ttrue\tfalse") == true, "\(lines)")
  }

  @Test func modelsThatCannotBeRunAreNamed() throws {
    #expect(
      bench.error("mk.model(here .. 'one'):hidden_states { { 1 } }")
        == "recipe.lua:1: hidden_states: model 'one' cannot be run: its config.json has no 'model_type'")
  }

  @Test func numbersOfDeferredCallsCannotWait() throws {
    #expect(
      bench.outputError(
        """
        local m = mk.model(here .. "base")
        return mk.model(here .. "one"):map(function(x)
          return x + mk.defer({ x:sum() }, function(n) m:hidden_states { { 1 } } return 1 end)
        end)
        """)
        == "recipe.lua:3: tensor 'x': hidden_states: not within a function given to defer, whose arguments are numbers already"
    )
  }

  /// Gates are made while other tensors are under way.
  @Test func tensorsMayBeMadeOfStatesWhileOthersAreComputed() throws {
    let output = try bench.output(
      """
      local m = mk.model(here .. "base")
      return mk.define_model {
        label = "gates", like = m, sources = { m }, names = { "a", "model.norm.weight", "b" },
        build = function(name)
          if name == "model.norm.weight" then return m:tensor(name) end
          local states = m:hidden_states { { 1, 2 } }
          return states[name == "a" and 1 or 3]
        end,
      }
      """)
    let (first, last) = (output.first { $0.name == "a" }!, output.first { $0.name == "b" }!)
    #expect(first.shape == [1, 24] && last.shape == [1, 24])
    #expect(first.elements != last.elements)
  }
}
