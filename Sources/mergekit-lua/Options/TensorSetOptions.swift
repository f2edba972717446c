import ArgumentParser

/// What becomes of tensors that only some of the models have, where models are checkpoints without layers.
struct TensorSetOptions: ParsableArguments {
  @Flag(name: [.customShort("i"), .long], help: "Leave out tensors that not all models have.")
  var tensorIntersection = false

  @Flag(name: [.customShort("u"), .long], help: "Merge each tensor of the models that have it.")
  var tensorUnion = false

  /// What `bare` of mk.merge is; `nil` if neither is given. Of both, mergekit asks for the intersection first.
  var bare: String? { tensorIntersection ? "intersection" : tensorUnion ? "union" : nil }
}
