import ArgumentParser

/// `mergekit-multi CONFIG_FILE --intermediate-dir DIR`: what the binary is under that name, in the place of
/// mergekit's own.
struct MergekitMulti: ParsableCommand {
  static let _errorLabel = "error"

  static let configuration = CommandConfiguration(
    commandName: "mergekit-multi",
    abstract: "Merges language models by a config of several documents, which use each other by name.",
    usage: "mergekit-multi CONFIG_FILE --intermediate-dir DIR [--out-path OUT] [options]",
    discussion: """
      Every document that has a name becomes a directory of that name in DIR, and the one without is written to OUT; \
      all in one pass. This is mergekit-lua, which translates the config to Lua: see mergekit-lua translate.
      """)

  @OptionGroup var dropIn: DropInOptions

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

  func run() throws {
    try dropIn.run(to: .stagesTo(folder: intermediateDir, result: .ofNameless(outPath))) { run in
      run.readsFinished = lazy
    }
  }
}
