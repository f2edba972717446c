import ArgumentParser
import ConfigRecipes
import SystemPackage

/// `mergekit-mega CONFIG_FILE OUT_PATH`: what the binary is under that name, in the place of the command that
/// mergekit had before mergekit-multi.
struct MergekitMega: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mergekit-mega",
    abstract: "Merges language models by a config of several documents, which use each other by name.",
    usage: "mergekit-mega CONFIG_FILE [OUT_PATH] [options]",
    discussion: """
      Every document becomes a directory of its name in OUT_PATH, the one without a name by that of CONFIG_FILE; all \
      in one pass. What is up to date there is not rebuilt. This is \
      mergekit-lua, which translates the config to Lua: see mergekit-lua translate.
      """)

  @Argument(
    help: ArgumentHelp("The config.", valueName: "config-file"),
    completion: .file(extensions: ["yml", "yaml"]))
  var configFile: String

  @Argument(
    help: ArgumentHelp("The directory of the outputs.", valueName: "out-path"), completion: .directory)
  var outPath = "./merged"

  @Flag(
    name: [.customShort("R"), .long],
    help: "Fail unless one of the documents has no name.")
  var requireNameless = false

  @OptionGroup(title: "Merge options") var options: MergeOptions

  @OptionGroup(title: "Compatibility options") var peer: PeerOptions

  func validate() throws {
    try refuseRecipe(configFile)
    _ = try peer.applied(to: options.host)
  }

  func run() throws {
    let text = try ConfigRecipe.read(configFile)
    var run = MergeRun(
      file: configFile, destination: .allTo(folder: outPath), options: options, peer: peer, policy: .overlay)
    run.readsFinished = true
    run.requiresNameless = requireNameless
    try run.run(text, .yaml)
  }
}

/// Fails if a drop-in for a command of mergekit is given a recipe.
func refuseRecipe(_ file: String) throws {
  if FilePath(file).extension == "lua" { throw ValidationError("\(file) is a recipe: mergekit-lua runs it") }
}
