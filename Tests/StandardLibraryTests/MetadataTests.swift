import Checkpoints
import ScriptTestSupport
import SystemPackage
import Testing

/// `metadata` of merges and of models of one's own: what the headers of their files note.
@Suite struct MetadataTests {
  let bench: ScriptBench

  init() throws { bench = try ScriptBench() }

  private let merge = "mk.merge { method = 'passthrough', models = { mk.model(here .. 'one') }, metadata = "

  @Test func itIsWrittenAndReadAgain() throws {
    let lines = try bench.lines(
      """
      local merge = \(merge){ task = "math", factor = 0.1, rank = 16, is_mask = true } }
      merge:save(here .. "out")
      for _, model in ipairs { merge, mk.model(here .. "out"), mk.model(here .. "one") } do
        local m = model.metadata
        print(m.task, m.factor, m.rank, m.is_mask, m.format)
      end
      -- A checkpoint's own is of its files, not of what is made of them.
      mk.merge({ method = "passthrough", models = { mk.model(here .. "out") } }):save(here .. "next")
      print(mk.model(here .. "next").metadata.task)
      """)
    let noted = "math\t0.1\t16\ttrue\tnil"
    #expect(lines == [noted, noted, "nil\tnil\tnil\tnil\tnil", "nil"])
    let file = try SafetensorsFile(path: FilePath("\(bench.folder)/out/model.safetensors"))
    #expect(file.metadata["format"] == "pt")
  }

  @Test(arguments: [
    ("3 }", "recipe.lua:1: merge: metadata: expected a table, got number"),
    ("{ 'x' } }", "recipe.lua:1: metadata: expected names with texts, got an entry whose name is a number"),
    ("{ format = 'x' } }", "recipe.lua:1: metadata.format: every file has it, and it is 'pt'"),
    (
      "{ a = mk.zeros { 1 }:sum() } }",
      "recipe.lua:1: metadata.a: expected a string, number or boolean, got tensor (:item() computes a lazy number)"
    ),
  ])
  func badMetadata(value: String, expected: String) {
    #expect(bench.error("local _ = " + merge + value) == expected)
  }
}
