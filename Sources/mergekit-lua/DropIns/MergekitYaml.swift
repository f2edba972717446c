import ArgumentParser
import ConfigRecipes
import Merging
import Scripting

/// `mergekit-yaml CONFIG_FILE OUT_PATH`: what the binary is under that name, in the place of mergekit's own.
struct MergekitYaml: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mergekit-yaml",
    abstract: "Merges language models by a config in YAML.",
    usage: "mergekit-yaml CONFIG_FILE OUT_PATH [options]",
    discussion: """
      An output that exists is written into. This is mergekit-lua, which translates the config to Lua: \
      see mergekit-lua translate.
      """)

  @Argument(
    help: ArgumentHelp("The config.", valueName: "config-file"),
    completion: .file(extensions: ["yml", "yaml"]))
  var configFile: String

  @Argument(
    help: ArgumentHelp("The directory to write; not needed with --dry-run.", valueName: "out-path"),
    completion: .directory)
  var outPath: String?

  @OptionGroup(title: "Merge options") var options: MergeOptions

  @OptionGroup(title: "Compatibility options") var peer: PeerOptions

  func validate() throws {
    guard outPath != nil || options.dryRun else {
      throw ValidationError("Missing expected argument '<out-path>'")
    }
    try refuseRecipe(configFile)
    _ = try peer.applied(to: options.host)
  }

  func run() throws {
    let text = try ConfigRecipe.read(configFile)
    try MergeRun(
      file: configFile, destination: .result(outPath), options: options, peer: peer, policy: .overlay
    ).run(text, .yaml)
  }
}
