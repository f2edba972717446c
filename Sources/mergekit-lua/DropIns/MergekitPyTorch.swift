import ArgumentParser
import ConfigRecipes

/// `mergekit-pytorch CONFIG_PATH OUT_PATH`: what the binary is under that name, in the place of mergekit's own.
struct MergekitPyTorch: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mergekit-pytorch",
    abstract: "Merges checkpoints that are tensors and nothing else, by a config in YAML.",
    usage: "mergekit-pytorch CONFIG_PATH OUT_PATH [options]",
    discussion: """
      Models are files of safetensors or PyTorch's, or indexes of shards; there are no layers, and no config.json. \
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

  @Flag(name: [.customShort("i"), .long], help: "Leave out tensors that not all models have.")
  var tensorIntersection = false

  @Flag(name: [.customShort("u"), .long], help: "Merge each tensor of the models that have it.")
  var tensorUnion = false

  @OptionGroup(title: "Merge options") var options: MergeOptions

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
    var run = MergeRun(
      file: configPath, destination: .result(outPath), options: options, peer: peer, policy: .overlay)
    // Of both, mergekit asks for the intersection first.
    run.bare = tensorIntersection ? "intersection" : tensorUnion ? "union" : "all"
    try run.run(text, .yaml)
  }
}
