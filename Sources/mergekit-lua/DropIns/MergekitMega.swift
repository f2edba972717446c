import ArgumentParser

/// `mergekit-mega CONFIG_FILE OUT_PATH`: what the binary is under that name, in the place of the command that
/// mergekit had before mergekit-multi.
struct MergekitMega: ParsableCommand {
  static let _errorLabel = "error"

  static let configuration = CommandConfiguration(
    commandName: "mergekit-mega",
    abstract: "Merges language models by a config of several documents, which use each other by name.",
    usage: "mergekit-mega CONFIG_FILE [OUT_PATH] [options]",
    discussion: """
      Every document becomes a directory of its name in OUT_PATH, the one without a name by that of CONFIG_FILE; all \
      in one pass. What is up to date there is not rebuilt. This is \
      mergekit-lua, which translates the config to Lua: see mergekit-lua translate.
      """)

  @OptionGroup var dropIn: DropInOptions

  @Argument(
    help: ArgumentHelp("The directory of the outputs.", valueName: "out-path"), completion: .directory)
  var outPath = "./merged"

  @Flag(
    name: [.customShort("R"), .long],
    help: "Fail unless one of the documents has no name.")
  var requireNameless = false

  func run() throws {
    try dropIn.run(to: .allTo(folder: outPath)) { run in
      run.readsFinished = true
      run.requiresNameless = requireNameless
    }
  }
}
