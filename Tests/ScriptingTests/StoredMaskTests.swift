import ScriptTestSupport
import Tensors
import Testing

/// Tensors that are stored as bool and uint8: masks and counts that scripts compute.
@Suite struct StoredMaskTests {
  let bench: ScriptBench

  init() throws {
    bench = try ScriptBench()
    try bench.makeModel("m", [TestTensor("w", .f32, [2, 3], [-1, 0, 0.5, 254.5, 300, .nan])])
  }

  private let masks = """
    local m = mk.model(here .. "m")
    local w = m:tensor "w"
    local masks = mk.define_model {
      label = "masks", like = m, sources = { m }, names = { "mask", "count", "column" },
      build = function(name)
        if name == "mask" then return w:gt(0):to "bool" end
        if name == "count" then return w:to "uint8" end
        return w:gt(0):transpose():narrow(1, 3, 1):to "bool"
      end,
    }

    """

  @Test func theyAreStored() throws {
    for (threads, tileSize) in [(1, nil), (3, 1)] as [(Int, Int?)] {
      bench.options.threads = threads
      bench.options.tileSize = tileSize
      // A dtype of the output is one of floating-point tensors.
      let output = try bench.output(masks + "return masks", dtype: .bf16)
      #expect(
        output.first { $0.name == "mask" } == TestTensor("mask", .bool, [2, 3], bytes: [0, 0, 1, 1, 1, 0]))
      #expect(
        output.first { $0.name == "count" }
          == TestTensor("count", .u8, [2, 3], bytes: [0, 0, 0, 254, 255, 0]))
      #expect(output.first { $0.name == "column" } == TestTensor("column", .bool, [1, 2], bytes: [1, 0]))
    }
  }

  @Test func theyAreReadAgain() throws {
    let lines = try bench.lines(
      masks + """
        masks:save(here .. "out")
        local saved = mk.model(here .. "out")
        for _, model in ipairs { masks, saved } do
          local mask, count = model:tensor "mask", model:tensor "count"
          print(mask.dtype, count.dtype, mask:to("float32"):sum():item(), count:to("float32"):max():item())
          print((mask:to("float32") * 2 - count:to("bfloat16")):min():item(), mask:to("bool").dtype)
        end
        """)
    let expected = ["bool\tuint8\t3.0\t255.0", "-253.0\tbool"]
    #expect(lines == expected + expected)
  }

  @Test(arguments: ["w:to 'int32'", "w:to 'bool' * 2", "w:to('uint8'):sum()"])
  func theyAreNoNumbers(expression: String) {
    #expect(bench.error(masks + "_ = " + expression) != "no error")
  }
}
