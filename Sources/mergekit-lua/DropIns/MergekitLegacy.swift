import ArgumentParser
import ConfigRecipes
import Configs
import Logging
import Lua
import Scripting

/// `mergekit-legacy OUT_PATH --merge …`: what the binary is under that name, in the place of mergekit's own.
struct MergekitLegacy: ParsableCommand {
  static let _errorLabel = "error"

  static let configuration = CommandConfiguration(
    commandName: "mergekit-legacy",
    abstract: "Merges language models by options of the command line.",
    usage: "mergekit-legacy OUT_PATH --merge MODEL --merge MODEL [options]",
    discussion: """
      One --weight or --density counts for all models; of several, each for the model of its place, the base last \
      where it is not among the models. An output that exists is written into. This is mergekit-lua, which makes a \
      config of the options: --print-yaml shows it.
      """)

  @Option(help: ArgumentHelp("A model; may be repeated.", valueName: "model"), completion: .directory)
  var merge: [String] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Share of a model's elements that are kept; may be repeated.", valueName: "density"))
  var density: [Double] = []

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Weight of a model, or slerp's t; may be repeated.", valueName: "weight"))
  var weight: [Double] = []

  @Option(help: ArgumentHelp("The merge method.", valueName: "method"))
  var method = LegacyMerge().method

  @Option(help: ArgumentHelp("The base model.", valueName: "model"), completion: .directory)
  var baseModel: String?

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Divide by the sum of the weights. (default: --normalize)")
  var normalize: Bool?

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "No effect: masks take no memory.")
  var int8Mask = false

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Compute and store bfloat16.")
  var bf16 = false

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "No effect, as in mergekit 0.1.5.")
  var naiveCount = false

  @OptionGroup var generating: GeneratingOptions

  private var legacy: LegacyMerge {
    var legacy = LegacyMerge()
    legacy.models = merge
    legacy.base = baseModel
    legacy.method = method
    legacy.weights = weight
    legacy.densities = density
    legacy.usesInt8Masks = int8Mask
    legacy.dtype = bf16 ? "bfloat16" : nil
    legacy.normalizes = normalize
    return legacy
  }

  func validate() throws {
    if let problem = legacy.problem { throw ValidationError(problem) }
  }

  func run() throws {
    if naiveCount {
      generating.merge.host.log.logger.info(
        "--naive-count is ignored, as by mergekit 0.1.5: signs are elected by weight")
    }
    var legacy = legacy
    // What is wrong with the method is told by the config's reader.
    let known = try? generating.host().parameters(ofMethod: method)
    if legacy.normalizes == nil, known?.contains("normalize") == true { legacy.normalizes = true }
    if known?.contains("int8_mask") == false { legacy.usesInt8Masks = false }
    try generating.run(legacy.config, of: Self.self)
  }
}
