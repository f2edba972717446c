import ArgumentParser
import ConfigRecipes
import Configs
import Logging
import Lua
import Scripting
import SystemPackage

/// `mergekit-moe CONFIG_PATH OUT_PATH`: what the binary is under that name, in the place of mergekit's own.
struct MergekitMoe: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mergekit-moe",
    abstract: "Makes a mixture of experts of dense models, by a config in YAML.",
    usage: "mergekit-moe CONFIG_PATH OUT_PATH [options]",
    discussion: """
      An output that exists is written into. This is mergekit-lua, which translates the config to Lua: \
      see mergekit-lua translate.
      """)

  @Argument(
    help: ArgumentHelp("The config.", valueName: "config-path"),
    completion: .file(extensions: ["yml", "yaml"]))
  var configPath: String

  @Argument(
    help: ArgumentHelp("The directory to write; not needed with --dry-run.", valueName: "out-path"),
    completion: .directory)
  var outPath: String?

  @OptionGroup(title: "Merge options") var options: MergeOptions

  @OptionGroup(title: "Options of hidden states") var load: LoadOptions

  @OptionGroup(title: "Compatibility options") var peer: PeerOptions

  func validate() throws {
    guard outPath != nil || options.dryRun else {
      throw ValidationError("Missing expected argument '<out-path>'")
    }
    try refuseRecipe(configPath)
    _ = try peer.applied(to: options.host)
  }

  func run() throws {
    let text = try ConfigRecipe.read(configPath)
    guard try ConfigFile(bytes: text, path: configPath).kind == .mixtureOfExperts else {
      throw LuaError("\(configPath): experts is missing; mergekit-lua runs configs of merges")
    }
    for option in load.given {
      options.host.log.logger.info(
        "\(option) is ignored: hidden states are computed in float32, with one layer in memory")
    }
    try MergeRun(
      file: configPath, destination: .result(outPath), options: options, peer: peer, policy: .overlay
    ).run(text, .yaml)
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
