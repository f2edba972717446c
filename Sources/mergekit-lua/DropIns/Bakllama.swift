import ArgumentParser
import ConfigRecipes
import Configs
import Lua

/// `bakllama CONFIG_FILE OUT_PATH`: what the binary is under that name, in the place of mergekit's own.
struct Bakllama: ParsableCommand {
  static let _errorLabel = "error"

  static let configuration = CommandConfiguration(
    commandName: "bakllama",
    abstract: "Makes a model of runs of layers of several, by a config with layer_slices.",
    usage: "bakllama CONFIG_FILE OUT_PATH [options]",
    discussion: """
      An output that exists is written into. This is mergekit-lua, which translates the config to Lua: \
      see mergekit-lua translate.
      """)

  @OptionGroup var dropIn: DropInOptions

  @OptionGroup var output: DropInOutput

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Store float16.")
  var fp16 = false

  func validate() throws {
    try dropIn.require(outPath: output.outPath)
    if fp16, let dtype = dropIn.merge.writing.dtype, dtype != .f16 {
      throw ValidationError("--fp16 and --dtype \(dtype.torchName) contradict each other")
    }
  }

  func run() throws {
    let text = try ConfigRecipe.read(dropIn.configFile)
    guard try ConfigFile(bytes: text, path: dropIn.configFile).kind == .layerSlices else {
      throw LuaError("\(dropIn.configFile): layer_slices is missing; mergekit-lua runs configs of merges")
    }
    try dropIn.run(text, to: .result(output.outPath)) { run in
      if fp16 { run.options.writing.dtype = .f16 }
    }
  }
}
