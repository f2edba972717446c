import Foundation
import Testing

/// The help, as it is kept in Tests/Fixtures/help; with HELP_OUTPUT=DIR it is written
/// anew there, and nothing is compared.
@Suite struct HelpTests {
  let tool: Tool

  init() throws { tool = try Tool() }

  private func check(_ outcome: Tool.Outcome, _ name: String) throws {
    if let folder = ProcessInfo.processInfo.environment["HELP_OUTPUT"] {
      return try outcome.output.write(toFile: "\(folder)/\(name).txt", atomically: false, encoding: .utf8)
    }
    let file = Tool.repository.appendingPathComponent("Tests/Fixtures/help/\(name).txt")
    #expect(outcome == Tool.Outcome(0, try String(contentsOf: file, encoding: .utf8)))
  }

  @Test func ofTheProgram() throws { try check(tool.run("--help"), "mergekit-lua") }

  @Test(arguments: ["run", "translate", "convert", "extract-lora", "inspect", "methods", "exec", "test"])
  func ofACommand(
    name: String
  ) throws {
    try check(tool.run(name, "--help"), name)
    #expect(try tool.run("help", name) == tool.run(name, "-h"))
  }

  @Test(arguments: [
    "mergekit-yaml", "mergekit-mega", "mergekit-multi", "mergekit-moe", "mergekit-pytorch",
    "mergekit-layershuffle", "mergekit-legacy", "bakllama", "mergekit-extract-lora",
  ])
  func ofADropIn(name: String) throws {
    let link = tool.path(name)
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: Tool.binary)
    try check(tool.run(["--help"], executable: link), name)
  }

  @Test func version() throws { #expect(try tool.run("--version") == Tool.Outcome(0, "0.1.0\n")) }
}
