import ArgumentParser
import ConfigRecipes

/// `mergekit-multi CONFIG_FILE --intermediate-dir DIR`: what the binary is under that name, in the place of
/// mergekit's own.
struct MergekitMulti: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mergekit-multi",
    abstract: "Merges language models by a config of several documents, which use each other by name.",
    usage: "mergekit-multi CONFIG_FILE --intermediate-dir DIR [--out-path OUT] [options]",
    discussion: """
      Every document that has a name becomes a directory of that name in DIR, and the one without is written to OUT; \
      all in one pass. This is mergekit-lua, which translates the config to Lua: see mergekit-lua translate.
      """)

  @Argument(
    help: ArgumentHelp("The config.", valueName: "config-file"),
    completion: .file(extensions: ["yml", "yaml"]))
  var configFile: String

  @Option(
    name: [.customShort("I"), .long],
    help: ArgumentHelp("The directory of the merges that have names.", valueName: "dir"),
    completion: .directory)
  var intermediateDir: String

  @Option(
    help: ArgumentHelp("The directory that the merge without a name is written to.", valueName: "out"),
    completion: .directory)
  var outPath: String?

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Read merges that are finished, if they were made from the same.")
  var lazy = true

  @OptionGroup(title: "Merge options") var options: MergeOptions

  @OptionGroup(title: "Compatibility options") var peer: PeerOptions

  func validate() throws {
    try refuseRecipe(configFile)
    _ = try peer.applied(to: options.host)
  }

  func run() throws {
    let text = try ConfigRecipe.read(configFile)
    var run = MergeRun(
      file: configFile, destination: .stagesTo(folder: intermediateDir, result: .ofNameless(outPath)),
      options: options, peer: peer, policy: .overlay)
    run.readsFinished = lazy
    try run.run(text, .yaml)
  }
}
