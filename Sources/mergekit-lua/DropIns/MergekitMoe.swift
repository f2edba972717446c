import ArgumentParser
import ConfigRecipes
import Configs
import Logging
import Lua

/// `mergekit-moe CONFIG_FILE OUT_PATH`: what the binary is under that name, in the place of mergekit's own.
struct MergekitMoe: ParsableCommand {
  static let _errorLabel = "error"

  static let configuration = CommandConfiguration(
    commandName: "mergekit-moe",
    abstract: "Makes a mixture of experts of dense models, by a config in YAML.",
    usage: "mergekit-moe CONFIG_FILE OUT_PATH [options]",
    discussion: """
      An output that exists is written into. This is mergekit-lua, which translates the config to Lua: \
      see mergekit-lua translate.
      """)

  @OptionGroup var dropIn: DropInOptions

  @OptionGroup var output: DropInOutput

  @OptionGroup(title: "Options of hidden states") var load: LoadOptions

  func validate() throws { try dropIn.require(outPath: output.outPath) }

  func run() throws {
    let text = try ConfigRecipe.read(dropIn.configFile)
    guard try ConfigFile(bytes: text, path: dropIn.configFile).kind == .mixtureOfExperts else {
      throw LuaError("\(dropIn.configFile): experts is missing; mergekit-lua runs configs of merges")
    }
    for option in load.given {
      dropIn.merge.host.log.logger.info(
        "\(option) is ignored: hidden states are computed in float32, with one layer in memory")
    }
    try dropIn.run(text, to: .result(output.outPath))
  }
}

/// Options of mergekit-moe about the base model in memory.
struct LoadOptions: ParsableArguments {
  @Flag(
    name: .customLong("load-in-4bit"),
    help: "Ignored: they are computed in float32, with one layer in memory.")
  var loadIn4Bit = false

  @Flag(name: .customLong("load-in-8bit"), help: "Ignored, too.")
  var loadIn8Bit = false

  /// The names of those that are given.
  var given: [String] {
    [(loadIn4Bit, "--load-in-4bit"), (loadIn8Bit, "--load-in-8bit")].filter(\.0).map(\.1)
  }
}
