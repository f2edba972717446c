import Foundation
import TestSupport
import Testing

/// Bad input: a clear error, exit status 1, or 2 for usage, and nothing left behind.
@Suite struct BadInputTests {
  let tool: Tool

  init() throws { tool = try Tool() }

  /// Runs a recipe that must fail, and gives its one line of error without `error: `.
  private func failure(_ recipe: String, _ arguments: String...) throws -> String {
    try tool.write("local mk = require 'mergekit'; \(recipe)", to: "recipe.lua")
    let before = tool.tree()
    let outcome = try tool.run(["recipe.lua", "new/out"] + arguments)
    #expect(outcome.status == 1)
    #expect(outcome.output == "")
    #expect(tool.tree() == before)
    guard outcome.errors.hasPrefix("error: "), outcome.errors.hasSuffix("\n") else { return outcome.errors }
    return String(outcome.errors.dropFirst(7).dropLast())
  }

  // MARK: Models

  @Test func missingModels() throws {
    #expect(
      try failure("\nreturn mk.model 'models/bse'")
        == #"recipe.lua:2: models/bse: no such file or directory; expected a directory with model.safetensors, or a .safetensors or .safetensors.index.json file (did you mean 'models/base'?)"#
    )
    #expect(
      try failure("return mk.model 'models'")
        == "recipe.lua:1: models: no weights in this directory; expected model.safetensors, model.safetensors.index.json or other .safetensors files"
    )
    #expect(
      try failure("return mk.model 'recipe.lua'")
        == "recipe.lua:1: recipe.lua: not a checkpoint; expected a directory, or a .safetensors or .safetensors.index.json file"
    )
  }

  @Test(
    arguments: [
      ([], "the file is empty"),
      ([1, 2, 3], "the file has 3 bytes; a safetensors file has at least 8, the length of its header"),
      (
        safetensors(header: "{}").dropLast(1),
        "a header of 2 bytes is announced, but only 1 follow; the file is truncated"
      ),
      (
        [UInt8](repeating: 255, count: 8),
        "a header of 18446744073709551615 bytes is announced; at most 100000000 are allowed"
      ),
      (
        safetensors(header: "[]"),
        "expected '{' at the start of the header, found byte 0x5B; is this a safetensors file?"
      ),
      (
        safetensors(header: #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, data: [0, 0, 0, 0]),
        #"tensor 'a': its data ends at 8, but the file has only 4 bytes of data; the file is truncated"#
      ),
      (
        safetensors(
          header: #"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#,
          data: [UInt8](repeating: 0, count: 8)),
        #"tensor 'a': F32 [3] takes 12 bytes, but its data_offsets span 8"#
      ),
      (
        safetensors(
          header: #"{"a":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}}"#,
          data: [UInt8](repeating: 0, count: 8)),
        #"tensor 'a': unknown dtype 'F33' (did you mean 'F32'?)"#
      ),
      (
        safetensors(
          header: #"{"a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}"#,
          data: [UInt8](repeating: 0, count: 4)),
        #"the data from 0 to 2, before tensor 'a', belongs to no tensor"#
      ),
      (
        safetensors(
          header: #"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}"#, data: []),
        #"tensor 'a': the size of F32 [4294967296, 4294967296] is beyond 2^48 elements"#
      ),
    ] as [([UInt8], String)])
  func brokenFiles(bytes: [UInt8], expected: String) throws {
    try tool.write(bytes, to: "m/model.safetensors")
    #expect(try failure("return mk.model 'm'") == "recipe.lua:1: m/model.safetensors: \(expected)")
    let inspected = try tool.run("inspect", "m")
    #expect(inspected == Tool.Outcome(1, errors: "error: m/model.safetensors: \(expected)\n"))
  }

  @Test(arguments: [
    ("model-2.safetensors", #"tensor 'a' is in 'model-2.safetensors', which does not exist"#),
    (
      "../m.safetensors",
      #"tensor 'a': expected a file name relative to the index and without "..", found '../m.safetensors'"#
    ),
    (
      "/m.safetensors",
      #"tensor 'a': expected a file name relative to the index and without "..", found '/m.safetensors'"#
    ),
    ("other.safetensors", #"tensor 'a' is not in 'other.safetensors', where the index has it"#),
  ])
  func brokenIndexes(shard: String, expected: String) throws {
    try tool.write(#"{"weight_map": {"a": "\#(shard)"}}"#, to: "m/model.safetensors.index.json")
    try tool.write(safetensors([("b", [1])]), to: "m/other.safetensors")
    #expect(try failure("return mk.model 'm'") == "recipe.lua:1: m/model.safetensors.index.json: \(expected)")
  }

  @Test func aFileThatIsCutOffDuringTheRun() throws {
    try tool.write(safetensors([("a", [1, 2, 3, 4])]), to: "m/model.safetensors")
    // The header was read, and then the data is not there.
    try tool.write(
      """
      local mk = require "mergekit"
      local m = mk.model "m"
      warn "ready"
      -- Until the other process has made its mark.
      repeat local done = pcall(require, "mark") until done
      return m:map(function(t) return t * 2 end)
      """, to: "recipe.lua")
    let outcome = try tool.shell(
      """
      mkfifo said
      $TOOL recipe.lua out --quiet 2>said &
      { read ready; truncate -s -4 m/model.safetensors; echo "return 1" >mark.lua; cat; } <said >&2
      wait $!
      """)
    #expect(outcome.status == 1)
    #expect(
      outcome.errors
        == "error: m/model.safetensors has changed while it was merged; nothing is written\n")
    #expect(!tool.tree().contains { $0.hasPrefix("out") || $0.hasPrefix(".out") })
  }

  @Test func modelsThatDoNotFit() throws {
    try tool.write(safetensors([("a", [1, 2]), ("b", [1])]), to: "m/model.safetensors")
    try tool.write(safetensors([("a", [1])]), to: "n/model.safetensors")
    #expect(
      try failure(
        """
        local strict = mk.method { name = 'strict', base = 'required', missing = 'error', merge = function(t) return t.base end }

        return mk.merge { method = strict, base = mk.model 'n', models = { mk.model 'm' } }
        """
      )
        == "recipe.lua:3: tensor 'b' is missing in model 'n', and method 'strict' needs it there")
    try tool.write(safetensors([("a", [1]), ("b", [1])]), to: "n/model.safetensors")
    #expect(
      try failure(
        "\n\nreturn mk.merge { method = 'linear', models = { { mk.model 'm', weight = 1 }, { mk.model 'n', weight = 1 } } }"
      )
        == "recipe.lua:3: tensor 'a': shapes differ: [2] in model 'm', [1] in model 'n'")
    try tool.write(#"{"quantization_config": {"quant_method": "fp8"}}"#, to: "m/config.json")
    #expect(
      try failure("return mk.model 'm'")
        == "recipe.lua:1: model 'm' is quantized (quantization_config: fp8); merge the original weights instead"
    )
  }

  // MARK: Recipes

  @Test(arguments: [
    ("return (", "recipe.lua:1: unexpected symbol near <eof>"),
    ("local t\nreturn t.x", "recipe.lua:2: attempt to index a nil value (local 't')"),
    ("return 5", "recipe.lua: a recipe returns a model, this one returned a number"),
    ("\nwhile true do end", "recipe.lua:2: script ran more than 200,000 instructions: an endless loop?"),
    (
      "\nreturn ('x'):rep(1 << 30)",
      "recipe.lua:2: script used more than its limit of 64 MB of memory (--memory-limit)"
    ),
    (
      "\nlocal t = {} for i = 1, 1e9 do t[i] = i end",
      "recipe.lua:2: script used more than its limit of 64 MB of memory (--memory-limit)"
    ),
    (
      "\nreturn mk.zeros { 1 << 62 }",
      "recipe.lua:2: a tensor of shape [4611686018427387904] has too many elements"
    ),
    (
      "\nio.open('x')",
      "recipe.lua:2: 'io' is not available in the sandbox: recipes run without files, processes and code from text"
    ),
    ("local model = 1\nreturn { modle }", "recipe.lua:2: variable 'modle' is not defined"),
    (
      "return require '../x'",
      "recipe.lua:1: module name '../x' must be a path below the script's folder, such as 'methods.mine' or 'methods/mine'"
    ),
    (
      "\nreturn mk.merge { method = 'tise', models = {} }",
      "recipe.lua:2: unknown method 'tise' (did you mean 'ties'?)"
    ),
    (
      "local m = mk.model 'models/base'\nreturn mk.merge { method = 'linear', models = { m, { m, weight = 1 } } }",
      "recipe.lua:2: tensor 'model.embed_tokens.weight': models[1]: parameter 'weight' is required for model 'models/base'"
    ),
  ])
  func badRecipes(recipe: String, expected: String) throws {
    #expect(
      try failure(
        recipe, "--instruction-limit", recipe.contains("1e9") ? "1000000000" : "200000", "--memory-limit",
        "64MiB")
        == expected)
  }

  @Test func recipesThatCannotBeRead() throws {
    #expect(
      try tool.run("nope.lua", "out")
        == Tool.Outcome(1, errors: "error: cannot read nope.lua: No such file or directory\n"))
    #expect(
      try tool.run("models", "out") == Tool.Outcome(1, errors: "error: models is a directory, not a recipe\n")
    )
    #expect(
      try tool.run("models/base/model.safetensors", "out").errors.hasPrefix(
        "error: models/base/model.safetensors:1: "))
    #expect(tool.tree() == [])
  }

  // MARK: Outputs

  @Test func outputsThatCannotBeWritten() throws {
    try tool.write("return require('mergekit').model 'models/base'", to: "recipe.lua")
    try tool.write("text", to: "file")
    #expect(
      try tool.run("recipe.lua", "file")
        == Tool.Outcome(1, errors: "error: file exists and is not a directory\n"))
    #expect(
      try tool.run("recipe.lua", "file/out")
        == Tool.Outcome(1, errors: "error: cannot write file/out: ./file is not a directory\n"))
    // Nobody writes there, not even root.
    let outcome = try tool.run("recipe.lua", "/proc/new/out")
    #expect(outcome.status == 1 && outcome.errors.hasPrefix("error: cannot write /proc/new/out: "))
    #expect(try tool.run("recipe.lua", "").errors == "error: the output path is empty\n")
    #expect(tool.tree() == ["file", "recipe.lua"])
  }

  // MARK: Usage

  @Test(
    arguments: [
      ([], "error: Missing expected argument '<file>'"),
      (["recipe.lua"], "error: Missing expected argument '<out>'"),
      (["recipe.lua", "out", "more"], "error: Unexpected argument 'more'"),
      (["recipe.lua", "out", "--sede", "1"], "error: Unknown option '--sede'. Did you mean '--seed'?"),
      (["recipe.lua", "out", "--threads", "0"], "error: --threads: expected 1 to 1024, got 0"),
      (
        ["recipe.lua", "out", "--threads", "many"],
        "error: The value 'many' is invalid for '--threads <threads>'"
      ),
      (
        ["recipe.lua", "out", "--out-shard-size", "5x"],
        "error: The value '5x' is invalid for '--out-shard-size <size>'"
      ),
      (
        ["recipe.lua", "out", "--dtype", "int8"],
        "error: The value 'int8' is invalid for '--dtype <dtype>'. Please provide one of the following:"
      ),
      (["inspect"], "error: Missing expected argument '<model>'"),
      (["inspect", "models/base", "--threads", "0"], "error: --threads: expected 1 to 1024, got 0"),
      (["methods", "--source"], "error: --source needs the name of a method"),
    ] as [([String], String)])
  func usage(arguments: [String], expected: String) throws {
    let outcome = try tool.run(arguments)
    #expect(outcome.status == 2)
    #expect(outcome.output == "")
    #expect(outcome.errors.split(separator: "\n").first.map(String.init) == expected)
    #expect(outcome.errors.contains("\nUSAGE: ") || outcome.errors.contains("\nUsage: "))
    #expect(tool.tree() == [])
  }
}
