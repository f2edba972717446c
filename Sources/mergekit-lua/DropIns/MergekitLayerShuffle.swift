import ArgumentParser
import Configs
import Lua
import Scripting

/// `mergekit-layershuffle OUT_PATH --model …`: what the binary is under that name, in the place of mergekit's own.
struct MergekitLayerShuffle: ParsableCommand {
  static let _errorLabel = "error"

  static let configuration = CommandConfiguration(
    commandName: "mergekit-layershuffle",
    abstract: "Makes a model of layers that are picked at random from several.",
    usage: "mergekit-layershuffle OUT_PATH --model MODEL --model MODEL [options]",
    discussion: """
      Each layer is that layer of one of the models; with --full-random, any layer. The same seed picks the same \
      layers, and without --random-seed it is always the same. An output that exists is written into. This is \
      mergekit-lua, which makes a config of the options: --print-yaml shows it.
      """)

  @Option(
    name: [.customShort("m"), .long],
    help: ArgumentHelp("A model; may be repeated.", valueName: "model"), completion: .directory)
  var model: [String] = []

  @Option(
    name: [.customShort("w"), .long], parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "How often a model's layers are picked, for each model in turn; with --full-random, which share of its "
        + "layers. (default: all alike)", valueName: "weight"))
  var weight: [Double] = []

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Store float16.")
  var fp16 = false

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Pick layers of any number, and put them in any order.")
  var fullRandom = false

  @OptionGroup var generating: GeneratingOptions

  func validate() throws {
    if model.isEmpty { throw ValidationError("Missing expected argument '--model <model>'") }
    guard weight.isEmpty || weight.count == model.count else {
      throw ValidationError(
        "--weight is given \(weight.count) times for \(Numbers.counted(model.count, "model"))")
    }
    for weight in weight where !(0...1000).contains(weight) {
      throw ValidationError("--weight: expected a number from 0 to 1000, got \(weight)")
    }
    if !weight.isEmpty, weight.reduce(0, +) == 0 { throw ValidationError("--weight: all weights are 0") }
  }

  func run() throws {
    let host = try generating.host()
    let models = try model.map { reference in
      let layers = try host.open(reference).architecture.numLayers
      guard layers > 0 else { throw LuaError("model '\(reference)' has no layers") }
      return LayerShuffle.Model(reference: reference, layers: layers)
    }
    let shuffle: LayerShuffle
    if fullRandom {
      let alike = Array(repeating: 1 / Double(models.count), count: models.count)
      shuffle = .inAnyOrder(models, shares: weight.isEmpty ? alike : weight, seed: host.options.seed)
      if shuffle.isEmpty { throw LuaError("--weight: the shares are less than a layer of each model") }
    } else {
      for other in models where other.layers < models[0].layers {
        throw LuaError(
          "model '\(other.reference)' has \(Numbers.counted(other.layers, "layer")), and '\(models[0].reference)' has "
            + "\(models[0].layers): --full-random takes layers of any number")
      }
      let alike = Array(repeating: 1.0, count: models.count)
      shuffle = .keepingOrder(models, weights: weight.isEmpty ? alike : weight, seed: host.options.seed)
    }
    try generating.run(shuffle.config(dtype: fp16 ? "float16" : nil), of: Self.self)
  }
}
