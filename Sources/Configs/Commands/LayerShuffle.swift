import Basics

/// A stack of layers that are picked at random from several models, as mergekit-layershuffle picks them.
package struct LayerShuffle {
  /// A model, and how many layers it has.
  package struct Model {
    package var reference: String
    package var layers: Int

    package init(reference: String, layers: Int) {
      self.reference = reference
      self.layers = layers
    }
  }

  /// A run of layers of a model.
  struct Run: Equatable {
    var model: String
    var layers: Range<Int>
  }

  let runs: [Run]

  /// Takes for each layer of the first model that layer of one of the models: of each as often as its weight is of
  /// all weights, on average.
  package static func keepingOrder(_ models: [Model], weights: [Double], seed: UInt64) -> LayerShuffle {
    var random = PythonRandom(seed: seed)
    var runs: [Run] = []
    for layer in 0..<models[0].layers {
      let model = models[random.choice(weights: weights)]
      if let last = runs.last, last.model == model.reference {
        runs[runs.count - 1].layers = last.layers.lowerBound..<layer + 1
      } else {
        runs.append(Run(model: model.reference, layers: layer..<layer + 1))
      }
    }
    return LayerShuffle(runs: runs)
  }

  /// Takes from each model as many of its layers as its share says, any of them and some perhaps twice, and puts all in
  /// any order.
  ///
  /// mergekit 0.1.5 draws a layer from as many as it takes, so that with half of a model's layers the second half has no
  /// chance; here all have the same. For whole models the draws are the same.
  package static func inAnyOrder(_ models: [Model], shares: [Double], seed: UInt64) -> LayerShuffle {
    var random = PythonRandom(seed: seed)
    var runs: [Run] = []
    for (model, share) in zip(models, shares) {
      for _ in 0..<count(of: model, share) {
        let layer = random.below(model.layers)
        runs.append(Run(model: model.reference, layers: layer..<layer + 1))
      }
    }
    random.shuffle(&runs)
    return LayerShuffle(runs: runs)
  }

  /// How many layers a share of a model's is; rounded down, as mergekit does.
  private static func count(of model: Model, _ share: Double) -> Int { Int(Double(model.layers) * share) }

  /// Whether no layer was picked.
  package var isEmpty: Bool { runs.isEmpty }

  /// The config that stacks them.
  package func config(dtype: String?) -> JSON {
    var config = JSONObject()
    if let dtype { config["dtype"] = .string(dtype) }
    config["merge_method"] = "passthrough"
    config["slices"] = .array(
      runs.map { run in
        let range: JSON = .array([JSON(run.layers.lowerBound), JSON(run.layers.upperBound)])
        let source: JSONObject = ["layer_range": range, "model": .string(run.model)]
        return .object(["sources": .array([.object(source)])])
      })
    return .object(config)
  }
}
