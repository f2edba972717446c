import ArgumentParser

/// `mergekit-pytorch CONFIG_FILE OUT_PATH`: what the binary is under that name, in the place of mergekit's own.
struct MergekitPyTorch: ParsableCommand {
  static let _errorLabel = "error"

  static let configuration = CommandConfiguration(
    commandName: "mergekit-pytorch",
    abstract: "Merges checkpoints that are tensors and nothing else, by a config in YAML.",
    usage: "mergekit-pytorch CONFIG_FILE OUT_PATH [options]",
    discussion: """
      Models are files of safetensors or PyTorch's, or indexes of shards; there are no layers, and no config.json. \
      OUT_PATH is a directory, or a file that ends in .safetensors; what exists is written into. This is mergekit-lua, which translates the config to Lua: \
      see mergekit-lua translate.
      """)

  @OptionGroup var dropIn: DropInOptions

  @OptionGroup var output: DropInOutput

  @OptionGroup var tensors: TensorSetOptions

  func validate() throws { try dropIn.require(outPath: output.outPath) }

  func run() throws {
    try dropIn.run(to: .result(output.outPath)) { run in
      run.bare = tensors.bare ?? "all"
    }
  }
}
