import Basics
import Checkpoints
import Foundation
import SystemPackage
import Tensors
import Testing

/// Merges from the command line, and what they leave.
@Suite struct RunCommandTests {
  let tool: Tool

  init() throws { tool = try Tool() }

  private func checkpoint(_ name: String) throws -> Checkpoint {
    try Checkpoint(path: FilePath(tool.path(name)))
  }

  // MARK: Outputs

  @Test func aRecipeBecomesADirectory() throws {
    let outcome = try tool.recipe(
      "return mk.merge { method = 'linear', models = { { mk.model 'models/base', weight = 1 }, { mk.model 'models/math', weight = 1 } } }"
    )
    #expect(outcome.status == 0 && outcome.output == "")
    #expect(outcome.errors.hasSuffix(" s\n") && outcome.errors.contains("wrote out: 39 tensors in "))
    #expect(
      tool.tree() == [
        "out", "out/README.md", "out/config.json", "out/generation_config.json", "out/model.safetensors",
        "out/recipe.lua", "recipe.lua",
      ])
    #expect(tool.text("out/recipe.lua") == tool.text("recipe.lua"))
    #expect(tool.text("out/config.json") == tool.text("models/base/config.json"))
    let card = try #require(tool.text("out/README.md"))
    #expect(card.hasPrefix("---\nlibrary_name: transformers\ntags:\n- mergekit-lua\n- merge\n---\n# out\n"))
    #expect(
      card.contains("The models were merged with the method [Linear](<https://arxiv.org/abs/2203.05482>)."))
    #expect(card.contains("- base\n- math\n"))
    #expect(card.contains("```lua\n" + tool.text("recipe.lua")! + "\n```"))
    let (base, out) = (try checkpoint("models/base"), try checkpoint("out"))
    #expect(Set(out.names) == Set(base.names))
    for tensor in out.tensors {
      #expect(tensor.shape == base.tensor(named: tensor.name)?.shape && tensor.dtype == .bf16)
    }
  }

  @Test func runIsTheDefaultCommand() throws {
    try tool.write("return require('mergekit').model 'models/base'", to: "r.lua")
    #expect(try tool.run("run", "r.lua", "a", "--quiet") == Tool.Outcome(0))
    #expect(try tool.run("r.lua", "b", "--quiet") == Tool.Outcome(0))
    #expect(tool.text("a/model.safetensors") == tool.text("b/model.safetensors"))
  }

  @Test func theSameSeedGivesTheSameFile() throws {
    let recipe = "return mk.model 'models/base':map(function(t) return t + mk.randn(t.shape) end)"
    for (name, options) in [
      ("a", []), ("b", ["--seed", "42", "--threads", "3", "--tile-size", "7"]), ("c", ["--seed", "1"]),
    ] as [(String, [String])] {
      try tool.write("local mk = require 'mergekit'; \(recipe)", to: "recipe.lua")
      #expect(try tool.run(["recipe.lua", name, "--quiet"] + options).status == 0)
    }
    let bytes = ["a", "b", "c"].map {
      FileManager.default.contents(atPath: tool.path("\($0)/model.safetensors"))
    }
    #expect(bytes[0] == bytes[1])
    #expect(bytes[0] != bytes[2])
  }

  @Test func dtypeAndShardSize() throws {
    let outcome = try tool.recipe(
      "return mk.model 'models/base'", "out", "--dtype", "float32", "--out-shard-size", "10KB", "--quiet")
    #expect(outcome == Tool.Outcome(0))
    let names = (1...5).map { "model-0000\($0)-of-00005.safetensors" }
    #expect(
      tool.tree().filter { $0.hasPrefix("out/model") }
        == names.map { "out/\($0)" } + ["out/model.safetensors.index.json"])
    let index = try JSON(parsing: tool.text("out/model.safetensors.index.json")!)
    #expect(index["metadata"]?["total_size"]?.intValue == 39488)
    #expect(index["weight_map"]?.objectValue?.count == 39)
    let out = try checkpoint("out")
    #expect(out.tensors.allSatisfy { $0.dtype == .f32 })
    #expect(out.files.allSatisfy { file in file.tensors.reduce(0) { $0 + $1.source.byteCount } <= 10_000 })
    #expect(tool.text("out/config.json")?.contains(#""torch_dtype": "float32""#) == true)
    #expect(try tool.run("inspect", "out").output.hasSuffix("\n39 tensors, 39.5 KB in 5 files\n"))
  }

  @Test func progressOnOtherThanATerminal() throws {
    try tool.write(
      safetensors((0..<20).map { ("t\($0)", [Float](repeating: 1, count: 10)) }), to: "m/model.safetensors")
    let run = try tool.recipe("return mk.model 'm'", "out", "--progress-after", "0")
    let lines = run.errors.split(separator: "\n").map(String.init)
    #expect(lines.count == 11)
    for (line, tenth) in zip(lines, 1...10) {
      #expect(line.hasPrefix("out: \(tenth * 10) % \(tenth * 2)/20 tensors, \(tenth * 80) bytes, "))
    }
    #expect(lines.last?.hasPrefix("wrote out: 20 tensors in 0.") == true)
    // Nobody reads the progress of a few milliseconds.
    let short = try tool.recipe("return mk.model 'm'", "short").errors.split(separator: "\n")
    #expect(short.count == 1 && short[0].hasPrefix("wrote short: 20 tensors in 0."))
    #expect(try tool.recipe("return mk.model 'm'", "quiet", "--quiet") == Tool.Outcome(0))
  }

  @Test func printGoesToOutputAndWarningsToErrors() throws {
    let outcome = try tool.recipe(
      "print('words', 1) warn('careful') warn('careful') return mk.model 'models/base'", "out", "--quiet")
    #expect(outcome == Tool.Outcome(0, "words\t1\n", errors: "warning: careful\n"))
  }

  @Test func dryRunPrintsThePlan() throws {
    for name in ["m", "n"] {
      try tool.write(
        safetensors([("first", [1, 2]), ("second.weight", [3])]), to: "\(name)/model.safetensors")
    }
    let recipe =
      "return mk.merge { method = 'slerp', base = mk.model 'm', models = { mk.model 'n' }, parameters = { t = 0.5 } }"
    #expect(
      try tool.recipe(recipe, "deep/out", "--dry-run", "--dtype", "bfloat16", "--out-shard-size", "4")
        == Tool.Outcome(
          0,
          """
          tensor         shape  dtype     bytes  shard
          first          [2]    bfloat16      4  model-00001-of-00002.safetensors
          second.weight  [1]    bfloat16      2  model-00002-of-00002.safetensors

          writes 2 tensors, 6 bytes in 2 files to deep/out
          reads 12 bytes in 2 tensors of m/model.safetensors
          reads 12 bytes in 2 tensors of n/model.safetensors

          """))
    #expect(try tool.recipe(recipe, "--dry-run").output.contains("\nwrites 2 tensors, 12 bytes in 1 file\n"))
    #expect(tool.tree() == ["m", "m/model.safetensors", "n", "n/model.safetensors", "recipe.lua"])
  }

  // MARK: Existing outputs

  @Test func anOutputWithContentsIsKept() throws {
    try tool.write("mine", to: "out/notes.txt")
    let outcome = try tool.recipe("error('not reached')")
    #expect(
      outcome == Tool.Outcome(1, errors: "error: out exists and is not empty; pass --force to replace it\n"))
    #expect(tool.tree() == ["out", "out/notes.txt", "recipe.lua"])
  }

  @Test func forceReplacesModelsOnly() throws {
    try tool.write("mine", to: "out/thesis.txt")
    #expect(
      try tool.recipe("error('not reached')", "out", "--force")
        == Tool.Outcome(
          1,
          errors:
            "error: out holds files that belong to no model: thesis.txt; --force replaces models only, --force-all moves the whole directory aside\n"
        ))
    #expect(tool.text("out/thesis.txt") == "mine")
  }

  @Test func filesThatTheRecipeRequiresAreKeptBesideIt() throws {
    let method =
      "return require('mergekit').method { name = 'm', merge = function(t) return t.inputs[1].tensor end }"
    try tool.write(method, to: "lib/mine.lua")
    let recipe = "return mk.merge { method = 'lib/mine', models = { mk.model 'models/base' } }"
    #expect(try tool.recipe(recipe, "out", "--quiet") == Tool.Outcome(0))
    #expect(tool.text("out/lib/mine.lua") == method)
  }

  @Test func aMisspeltCommandIsNoRecipe() throws {
    #expect(
      try tool.run(["inspct", "models/base"]).errors
        == "error: cannot read inspct: No such file or directory (did you mean the command 'inspect'?)\n")
  }

  @Test func forceReplacesAnOutput() throws {
    try tool.write("mine", to: "out/README.md")
    try tool.write("{}", to: "out/config.json")
    #expect(try tool.recipe("return mk.model 'models/base'", "out", "--force", "--quiet") == Tool.Outcome(0))
    #expect(tool.text("out/README.md") != "mine")
    #expect(try checkpoint("out").names.count == 39)
    // What fails leaves the old contents.
    try tool.write("mine", to: "out/README.md")
    #expect(try tool.recipe("return 1", "out", "--force").status == 1)
    let failing = "return mk.model 'models/base':map(function(t) return t:topk_mask(t:sum() * 0 - 1) end)"
    #expect(try tool.recipe(failing, "out", "--force").status == 1)
    #expect(tool.text("out/README.md") == "mine")
    #expect(try checkpoint("out").names.count == 39)
    #expect(tool.tree().allSatisfy { $0 == "recipe.lua" || $0.hasPrefix("out") })
  }

  @Test func anEmptyOutputIsFilled() throws {
    try FileManager.default.createDirectory(atPath: tool.path("out"), withIntermediateDirectories: false)
    #expect(try tool.recipe("return mk.model 'models/base'", "out", "--quiet") == Tool.Outcome(0))
  }

  @Test(arguments: [[], ["--force"]]) func inputsAreNotReplaced(options: [String]) throws {
    let before = FileManager.default.contents(atPath: tool.path("models/base/model.safetensors"))
    try tool.write("return require('mergekit').model 'models/base'", to: "recipe.lua")
    for out in ["models/base", "models", "."] {
      let outcome = try tool.run(["recipe.lua", out] + options)
      #expect(outcome.status == 1)
      #expect(outcome.errors.hasPrefix("error: "))
    }
    if options == ["--force"] {
      #expect(
        try tool.run("recipe.lua", "models/base", "--force").errors
          == "error: cannot write models/base: it is an input of this merge; choose another output\n")
    }
    #expect(FileManager.default.contents(atPath: tool.path("models/base/model.safetensors")) == before)
    #expect(tool.tree() == ["recipe.lua"])
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: tool.path("models")).sorted() == [
        "base", "code", "math",
      ])
  }

  // MARK: Interruptions

  /// Starts a recipe, sends a signal when it has said `ready`, and gives what it ends with.
  private func interrupt(_ recipe: String, with signal: Int32) throws -> Tool.Outcome {
    try tool.write("local mk = require 'mergekit'; \(recipe)", to: "recipe.lua")
    let (process, output, errors) = tool.process(["recipe.lua", "deep/out", "--quiet"])
    try process.run()
    var said = ""
    while !said.contains("ready") {
      let data = errors.fileHandleForReading.availableData
      if data.isEmpty { break }
      said += String(decoding: data, as: UTF8.self)
    }
    kill(process.processIdentifier, signal)
    said += String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    let printed = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    return Tool.Outcome(process.terminationStatus, printed, errors: said)
  }

  @Test(arguments: [SIGINT, SIGTERM, SIGHUP]) func signalsEndAScript(signal: Int32) throws {
    let outcome = try interrupt(
      "warn 'ready'\nwhile true do pcall(function() local _ = mk.tensor { 1 }:sum():item() end) end",
      with: signal)
    #expect(
      outcome == Tool.Outcome(128 + signal, errors: "warning: ready\nerror: recipe.lua:2: interrupted\n"))
    #expect(tool.tree() == ["recipe.lua"])
  }

  @Test(arguments: ["methods", "inspect models/base", "recipe.lua --dry-run", "recipe.lua out", "--help"])
  func whatCannotBePrintedIsAnError(arguments: String) throws {
    try tool.write("print 'words' return require('mergekit').model 'models/base'", to: "recipe.lua")
    let outcome = try tool.shell("$TOOL \(arguments) >/dev/full")
    #expect(outcome.status == 1)
    #expect(
      outcome.errors.hasSuffix("error: cannot write to standard output: No space left on device\n"))
  }

  @Test func signalsEndAnOutput() throws {
    let outcome = try interrupt(
      """
      local count = 0
      return mk.model "models/base":map(function(t)
        return t * mk.defer({ t:sum() }, function(s)
          count = count + 1
          if count == 20 then
            warn "ready"
            while true do end
          end
          return 2
        end, 1)
      end)
      """, with: SIGINT)
    #expect(outcome == Tool.Outcome(130, errors: "warning: ready\nerror: recipe.lua:7: interrupted\n"))
    #expect(tool.tree() == ["recipe.lua"])
  }

  @Test func signalsEndASaveToo() throws {
    let outcome = try interrupt(
      """
      mk.model("models/base"):save "deep/out/first"
      mk.model("models/base"):map(function(t)
        return t * mk.defer({ t:sum() }, function(s) warn "ready" while true do end end, 1)
      end):save "deep/out/second"
      """, with: SIGINT)
    #expect(outcome.status == 130)
    let saved = try FileManager.default.contentsOfDirectory(atPath: tool.path("deep/out"))
    #expect(saved == ["first"])
  }

  // MARK: Full disks

  private static let canMount =
    (try? Tool().shell("unshare --mount --map-root-user sh -c 'mount -t tmpfs -o size=16k none models'"))?
    .status == 0

  @Test(.enabled(if: canMount)) func aFullDiskIsAnError() throws {
    try tool.write(
      "return require('mergekit').model 'models/base':map(function(t) return t:to('float32') end)",
      to: "recipe.lua")
    try FileManager.default.createDirectory(atPath: tool.path("disk"), withIntermediateDirectories: false)
    let outcome = try tool.shell(
      """
      unshare --mount --map-root-user sh -c '
        mount -t tmpfs -o size=16k none disk && $TOOL recipe.lua disk/out --quiet; echo "status $?"; ls -A disk'
      """)
    #expect(outcome.output == "status 1\n")
    #expect(outcome.errors.hasPrefix("error: disk/out: the disk is full: the checkpoint needs 4"))
    #expect(tool.tree() == ["disk", "recipe.lua"])
  }

  @Test func aLimitOnFileSizesIsAnError() throws {
    try tool.write("return require('mergekit').model 'models/base'", to: "recipe.lua")
    let outcome = try tool.shell("ulimit -f 4; $TOOL recipe.lua out --quiet")
    #expect(outcome.status == 1)
    #expect(outcome.errors.hasPrefix("error: ") && outcome.errors.contains("File too large"))
    #expect(tool.tree() == ["recipe.lua"])
  }

  // MARK: Examples

  private static let examples: [String] = {
    let names =
      (try? FileManager.default.contentsOfDirectory(
        atPath: Tool.repository.appendingPathComponent("stdlib/examples").path)) ?? []
    // One is a method, what one makes has other tensors than the base, and one is for single files.
    return names.filter {
      $0.hasSuffix(".lua") && !["consensus.lua", "moe.lua", "block_weights.lua"].contains($0)
    }.sorted()
  }()

  @Test(arguments: examples) func examplesRun(name: String) throws {
    let file = Tool.repository.appendingPathComponent("stdlib/examples/\(name)").path
    let outcome = try tool.run(file, "out", "--quiet")
    #expect(outcome.status == 0 && outcome.errors == "")
    #expect(outcome.output == (name == "global_statistic.lua" ? "the average tensor moved by 6.6 %\n" : ""))
    // Of several results, the last.
    let folder = ["emr.lua": "out/unified", "mega_merge.lua": "out/final"][name, default: "out"]
    let (base, out) = (try checkpoint("models/base"), try checkpoint(folder))
    let layers = ["dus.lua", "frankenmerge.lua", "slices.lua"].contains(name) ? 6 : 4
    #expect(out.names.count == 3 + 9 * layers)
    for tensor in out.tensors {
      let source = tensor.name.replacing(/layers\.[45]\./, with: "layers.0.")
      #expect(tensor.shape == base.tensor(named: source)?.shape, "\(tensor.name)")
      #expect(tensor.dtype == .bf16)
    }
    #expect(try JSON(parsing: tool.text("\(folder)/config.json")!)["num_hidden_layers"]?.intValue == layers)
    #expect(tool.text("\(folder)/recipe.lua") == (try String(contentsOfFile: file, encoding: .utf8)))
    if name == "slerp.lua" {
      // Filters and gradients: the attention goes from one model to the other over the layers, the MLP back.
      func bytes(_ checkpoint: Checkpoint, _ name: String) throws -> [UInt8] {
        let tensor = try #require(checkpoint.tensor(named: name))
        var bytes = [UInt8](repeating: 0, count: tensor.source.byteCount)
        try bytes.withUnsafeMutableBytes { try tensor.source.read(into: $0, at: 0) }
        return bytes
      }
      let math = try checkpoint("models/math")
      for (name, source) in [
        ("model.layers.0.self_attn.q_proj.weight", base), ("model.layers.3.self_attn.q_proj.weight", math),
        ("model.layers.0.mlp.up_proj.weight", math), ("model.layers.3.mlp.up_proj.weight", base),
      ] {
        #expect(try bytes(out, name) == bytes(source, name), "\(name)")
      }
    }
  }

  @Test func thereAreExamples() { #expect(Self.examples.count >= 7) }
}
