import Basics
import Foundation
import TestSupport
import Testing

@Suite struct InspectCommandTests {
  let tool: Tool

  init() throws {
    tool = try Tool()
    let header = """
      {"weights":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},\
      "odd":{"dtype":"F32","shape":[3],"data_offsets":[16,28]},\
      "one":{"dtype":"F16","shape":[],"data_offsets":[28,30]},\
      "none":{"dtype":"F32","shape":[0],"data_offsets":[30,30]},\
      "ids":{"dtype":"U8","shape":[2],"data_offsets":[30,32]}}
      """
    let floats: [Float] = [1, 2, 3, -4, .nan, .infinity, 1]
    try tool.write(
      safetensors(header: header, data: floats.withUnsafeBytes { Array($0) } + [0, 0x3C, 7, 8]),
      to: "m/model.safetensors")
  }

  @Test func listsTensors() throws {
    #expect(
      try tool.run("inspect", "m")
        == Tool.Outcome(
          0,
          """
          tensor   dtype  shape   bytes
          weights  F32    [2, 2]     16
          odd      F32    [3]        12
          one      F16    []          2
          none     F32    [0]         0
          ids      U8     [2]         2

          5 tensors, 32 bytes in 1 file

          """))
    #expect(try tool.run("inspect", "m/model.safetensors").status == 0)
  }

  @Test func statistics() throws {
    // Of 1, 2, 3, -4: mean 1/2, squares 30, so the variance is (30 - 1) / 3.
    #expect(
      try tool.run("inspect", "m", "--stats", "--threads", "2").output.split(separator: "\n").dropLast()
        == """
        tensor   dtype  shape   bytes  mean      std     norm  min  max  NaN
        weights  F32    [2, 2]     16   0.5  3.10913  5.47723   -4    3    0
        odd      F32    [3]        12   nan      nan      nan  nan  nan    1
        one      F16    []          2     1      nan        1    1    1    0
        none     F32    [0]         0   nan      nan        0  nan  nan    0
        ids      U8     [2]         2     -        -        -    -    -    -
        """.split(separator: "\n")[...])
  }

  @Test func json() throws {
    let outcome = try tool.run("inspect", "m", "--json", "--stats")
    #expect(outcome.status == 0 && outcome.errors == "")
    let report = try JSON(parsing: outcome.output)
    #expect(report["model"]?.stringValue == "m")
    #expect(report["files"]?[0]?.stringValue == "m/model.safetensors")
    #expect(report["total_bytes"]?.intValue == 32)
    let tensors = try #require(report["tensors"]?.arrayValue)
    #expect(tensors.map { $0["name"]?.stringValue } == ["weights", "odd", "one", "none", "ids"])
    #expect(tensors[0]["dtype"]?.stringValue == "F32")
    #expect(tensors[0]["shape"]?.arrayValue?.map(\.intValue) == [2, 2])
    #expect(tensors[0]["bytes"]?.intValue == 16)
    #expect(tensors[0]["mean"]?.doubleValue == 0.5)
    #expect(tensors[0]["std"]?.doubleValue == (29.0 / 3).squareRoot())
    #expect(tensors[0]["norm"]?.doubleValue == 30.0.squareRoot())
    #expect(tensors[0]["min"]?.doubleValue == -4 && tensors[0]["max"]?.doubleValue == 3)
    // JSON has no NaN.
    #expect(tensors[1]["mean"]?.isNull == true && tensors[1]["nan_count"]?.intValue == 1)
    #expect(tensors[4]["mean"] == nil)
    #expect(try JSON(parsing: tool.run("inspect", "m", "--json").output)["tensors"]?[0]?["mean"] == nil)
  }
}
