import Basics

/// Recipes of mixtures of experts.
extension RecipeWriter {
  /// The recipe, which returns the mixture.
  func write(_ config: ExpertsConfig) -> RecipeText {
    var writer = self
    writer.writeFirstLines()
    var seen: Set<ModelReference> = []
    let models = config.models.filter { seen.insert($0.reference).inserted }
    var luaNames = LuaNames()
    let table = models.count <= Self.maximumLocals ? nil : luaNames.name(for: "models")
    writer.declare(models, inTable: table, &luaNames)
    writer.text.line("")
    writer.text.merge("return mk.moe ", writer.entries(config), config.place)
    return writer.text
  }

  private func entries(_ config: ExpertsConfig) -> [LuaEntry] {
    var entries: [LuaEntry] = [
      .field("base", code(config.base), config.base.place),
      .field("experts", .block(config.experts.map { .item(expert($0), $0.place) }), config.expertsPlace),
    ]
    if !config.sharedExperts.isEmpty {
      let shared = config.sharedExperts.map { LuaEntry.item(expert($0), $0.place) }
      entries.append(.field("shared_experts", .block(shared), config.sharedExpertsPlace))
    }
    func add(_ key: String, _ text: MergeConfig.PlacedText?) {
      if let text { entries.append(.field(key, .string(text.text), text.place)) }
    }
    add("gates", config.gateMode)
    if let (count, place) = config.expertsPerToken {
      entries.append(.field("experts_per_token", .code(String(count)), place))
    }
    add("architecture", config.architecture)
    add("dtype", config.dtype)
    if options.allowAllSame { entries.append(.field("allow_all_same", .code("true"), nil)) }
    return entries
  }

  private func expert(_ expert: ExpertsConfig.Expert) -> LuaValue {
    var entries: [LuaEntry] = [.item(code(expert.model), expert.model.place)]
    for (key, prompts) in [
      ("positive_prompts", expert.positivePrompts), ("negative_prompts", expert.negativePrompts),
    ] {
      guard let prompts else { continue }
      let texts = prompts.texts.map { LuaEntry.item(.string($0.text), $0.place) }
      entries.append(.field(key, .table(texts), prompts.place))
    }
    for (key, number) in [("noise_scale", expert.noiseScale), ("residual_scale", expert.residualScale)] {
      if let number { entries.append(.field(key, .code(number.number.lua), number.place)) }
    }
    return entries.count == 1 ? code(expert.model) : .table(entries)
  }
}
