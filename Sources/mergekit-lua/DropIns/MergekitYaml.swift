import ArgumentParser

/// `mergekit-yaml CONFIG_FILE OUT_PATH`: what the binary is under that name, in the place of mergekit's own.
struct MergekitYaml: ParsableCommand {
  static let _errorLabel = "error"

  static let configuration = CommandConfiguration(
    commandName: "mergekit-yaml",
    abstract: "Merges language models by a config in YAML.",
    usage: "mergekit-yaml CONFIG_FILE OUT_PATH [options]",
    discussion: """
      An output that exists is written into. This is mergekit-lua, which translates the config to Lua: \
      see mergekit-lua translate.
      """)

  @OptionGroup var dropIn: DropInOptions

  @OptionGroup var output: DropInOutput

  func validate() throws { try dropIn.require(outPath: output.outPath) }

  func run() throws { try dropIn.run(to: .result(output.outPath)) }
}
