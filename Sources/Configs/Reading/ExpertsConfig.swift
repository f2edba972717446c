/// The config of a mixture of experts, read.
struct ExpertsConfig {
  /// Where the document begins.
  var place: Place
  var base: PlacedModel
  var experts: [Expert]
  var expertsPlace: Place
  var sharedExperts: [Expert]
  var sharedExpertsPlace: Place?
  /// How the gates are made.
  var gateMode: MergeConfig.PlacedText?
  var dtype: MergeConfig.PlacedText?
  var expertsPerToken: (count: Int, place: Place)?
  /// The beginning of the name of the output's architecture, or a file that says what it is like.
  var architecture: MergeConfig.PlacedText?

  /// A model whose MLPs are an expert.
  struct Expert {
    var place: Place
    var model: PlacedModel
    var positivePrompts: Prompts?
    var negativePrompts: Prompts?
    /// The deviation of what is added to the weights.
    var noiseScale: Number?
    /// What the expert's output is scaled by.
    var residualScale: Number?
  }

  struct Prompts {
    var texts: [MergeConfig.PlacedText]
    var place: Place
  }

  struct Number {
    var number: YAMLNumber
    var place: Place
  }

  /// Every model that is named, the base first, in order.
  var models: [PlacedModel] { [base] + (experts + sharedExperts).map(\.model) }
}
