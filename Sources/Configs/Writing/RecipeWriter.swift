import Basics

/// Writes read documents as a recipe.
struct RecipeWriter: Sendable {
  /// Lua has room for 200 local variables in a function.
  static let maximumLocals = 190

  let tree: MergeTree
  /// The merges' names, with one for that without.
  let names: [String]
  /// The places of the merges that the recipe has, in order.
  let places: [Int]
  let options: TranslationOptions
  private let fileName: String
  var text = RecipeText()
  /// How the recipe names the models of references, and the merges that the file gives names.
  private var modelNames: [ModelReference: String] = [:]
  private var mergeNames: [String: String] = [:]

  init(tree: MergeTree, names: [String], places: [Int], fileName: String, options: TranslationOptions) {
    self.tree = tree
    self.places = places
    self.names = names
    self.fileName = fileName
    self.options = options
  }

  /// Of a recipe that has no merges.
  init(fileName: String, options: TranslationOptions) {
    self.init(tree: MergeTree(), names: [], places: [], fileName: fileName, options: options)
  }

  /// The recipe, which returns the last of the merges, or those at the places in `returned` by their names if
  /// the options ask for all.
  func write(returning returned: [Int]) -> RecipeText {
    var writer = self
    writer.writeLines(returning: returned)
    return writer.text
  }

  /// The recipe of one merge by itself, which makes all that it needs.
  func recipe(of place: Int) -> RecipeText {
    var alone = options
    alone.results = .one
    alone.finished = [:]
    let writer = RecipeWriter(
      tree: tree, names: names, places: tree.needed(for: [place]), fileName: fileName, options: alone)
    return writer.write(returning: [place])
  }

  private mutating func writeLines(returning returned: [Int]) {
    writeFirstLines()
    let isAll = if case .all = options.results { true } else { false }
    let made = places.filter { finished($0) == nil }
    let stages = isAll ? places : places.filter { !returned.contains($0) }
    let models = distinctModels(
      made.map { tree.merges[$0] }, except: Set(tree.merges.compactMap(\.name?.text) + tree.adapted.keys))

    var luaNames = LuaNames()
    let areStagesLocal = stages.count <= Self.maximumLocals
    let areModelsLocal = areStagesLocal && stages.count + models.count <= Self.maximumLocals
    let modelTable = areModelsLocal ? nil : luaNames.name(for: "models")
    let stageTable = areStagesLocal ? "" : luaNames.name(for: "merges") + "."
    var stageNames: [Int: String] = [:]
    for stage in stages {
      let name = stageTable + luaNames.name(for: names[stage])
      stageNames[stage] = name
      // The name that the options give to the one without may be a model's path.
      if let own = tree.merges[stage].name { mergeNames[own.text] = name }
    }

    declare(models, inTable: modelTable, &luaNames)
    if !areStagesLocal { text.line("local \(stageTable.dropLast()) = {}") }
    if !models.isEmpty || !areStagesLocal { text.line("") }

    for place in places {
      let merge = tree.merges[place]
      let isLast = place == places.last
      let isReturned = !isAll && isLast
      let name = stageNames[place] ?? ""
      let prefix = isReturned ? "return " : (areStagesLocal ? "local \(name) = " : "\(name) = ")
      if let path = finished(place) {
        text.line("\(prefix)mk.model \(quotedString(path))", merge.name?.place ?? merge.place)
      } else {
        text.merge(prefix + "mk.merge ", entries(merge, isStage: tree.isUsed(place)), merge.place)
      }
      if !isReturned {
        declareAdapted(merge, made, inTable: areStagesLocal ? nil : stageTable, &luaNames)
        text.line("")
      }
    }
    guard isAll else { return }
    guard !returned.isEmpty else { return text.line("return {}") }
    text.table("return ", returned.map { .field(names[$0], .code(stageNames[$0] ?? "nil"), nil) })
  }

  /// Puts adapters on a merge that was just made, as the merges after it name it: one model each, however often.
  private mutating func declareAdapted(
    _ merge: MergeConfig, _ made: [Int], inTable table: String?, _ luaNames: inout LuaNames
  ) {
    guard let own = merge.name?.text, let stage = mergeNames[own] else { return }
    for model in made.flatMap({ tree.merges[$0].models }) {
      guard let meant = tree.adapted[model.reference.text], meant.base.text == own,
        mergeNames[model.reference.text] == nil
      else { continue }
      let name =
        (table ?? "")
        + luaNames.name(forPath: ([meant.base] + meant.adapters).map(\.name).joined(separator: "+"))
      let calls = meant.adapters.map { ":with_lora \(quotedString($0.text))" }.joined()
      text.line("\(table == nil ? "local " : "")\(name) = \(stage)\(calls)", model.place)
      mergeNames[model.reference.text] = name
    }
  }

  /// Where a finished merge lies.
  private func finished(_ place: Int) -> String? { options.finished[names[place]] }

  /// The comment and the line that every recipe begins with.
  mutating func writeFirstLines() {
    text.line("\(Translation.firstWords)\(fileName.map { $0.isNewline ? " " : String($0) }.joined())")
    text.line("local mk = require \"mergekit\"")
    text.line("")
  }

  /// Opens models under names of their own: in local variables, or in a table of that name.
  mutating func declare(_ models: [PlacedModel], inTable table: String?, _ luaNames: inout LuaNames) {
    var entries: [LuaEntry] = []
    for model in models {
      let parts = [model.reference.base] + model.reference.adapters
      let name = luaNames.name(forPath: parts.map(\.name).joined(separator: "+"))
      let opened = "mk.model " + quotedString(model.reference.text)
      modelNames[model.reference] = (table.map { $0 + "." } ?? "") + name
      if table == nil {
        text.line("local \(name) = \(opened)", model.place)
      } else {
        entries.append(.field(name, .code(opened), model.place))
      }
    }
    if let table { text.table("local \(table) = ", entries) }
  }

  /// Every model that is no merge's name, each once, in the order of their use.
  private func distinctModels(_ merges: [MergeConfig], except names: Set<String>) -> [PlacedModel] {
    var seen: Set<ModelReference> = []
    return merges.flatMap(\.models).filter {
      !names.contains($0.reference.text) && seen.insert($0.reference).inserted
    }
  }

  func code(_ model: PlacedModel) -> LuaValue {
    let reference = model.reference
    return .code(mergeNames[reference.text] ?? modelNames[reference] ?? "nil")
  }

  // MARK: Tables

  /// - Parameter isStage: Whether other merges use it, which read what it would be stored as.
  private func entries(_ merge: MergeConfig, isStage: Bool) -> [LuaEntry] {
    var entries: [LuaEntry] = []
    func add(_ key: String, _ text: MergeConfig.PlacedText?) {
      if let text { entries.append(.field(key, .string(text.text), text.place)) }
    }
    add("name", merge.name)
    add("method", merge.method)
    if let base = merge.base { entries.append(.field("base", code(base), base.place)) }
    entries.append(parts(merge.parts, merge.partsPlace))
    entries += parameters(merge.parameters)
    add("dtype", merge.dtype)
    add("out_dtype", merge.outDType)
    if isStage, let dtype = options.dtype {
      entries.append(.field("as_stored", .string(dtype), nil))
    } else if isStage, merge.dtype == nil, merge.outDType == nil {
      entries.append(.field("as_stored", .code("true"), nil))
    }
    if let tokenizer = merge.tokenizer {
      entries.append(.field("tokenizer", value(tokenizer), tokenizer.place))
    }
    if options.truncateEmbeddings { entries.append(.field("truncate_embeddings", .code("true"), nil)) }
    if options.allowCrimes { entries.append(.field("allow_crimes", .code("true"), nil)) }
    if let bare = options.bare { entries.append(.field("bare", .string(bare), nil)) }
    add("chat_template", merge.chatTemplate)
    return entries
  }

  private func parts(_ parts: MergeConfig.Parts, _ place: Place) -> LuaEntry {
    switch parts {
    case .models(let sources):
      let entries = sources.map { LuaEntry.item(source($0), $0.place) }
      let isPlain = sources.allSatisfy(\.parameters.isEmpty)
      return .field("models", isPlain ? .table(entries) : .block(entries), place)
    case .slices(let slices):
      return .field("slices", .block(slices.map { .item(slice($0), $0.place) }), place)
    case .modules(let modules):
      return .field("modules", .block(modules.map { .field($0.name, .table(module($0)), $0.place) }), place)
    }
  }

  private func module(_ module: MergeConfig.Module) -> [LuaEntry] {
    [parts(module.parts, module.partsPlace)] + parameters(module.parameters)
  }

  private func slice(_ slice: MergeConfig.Slice) -> LuaValue {
    var entries: [LuaEntry] = [
      .field("sources", .table(slice.sources.map { .item(source($0), $0.place) }), slice.sourcesPlace)
    ]
    if let base = slice.base { entries.append(.field("base", code(base), base.place)) }
    if let method = slice.method { entries.append(.field("method", .string(method.text), method.place)) }
    return .table(entries + parameters(slice.parameters))
  }

  private func source(_ source: MergeConfig.Source) -> LuaValue {
    if source.layers == nil, source.parameters.isEmpty { return code(source.model) }
    var entries: [LuaEntry] = [.item(code(source.model), source.model.place)]
    if let (range, place) = source.layers {
      let ends = [range.lowerBound, range.upperBound].map { LuaEntry.item(.code(String($0)), place) }
      entries.append(.field("layers", .table(ends), place))
    }
    return .table(entries + source.parameters.entries)
  }

  private func value(_ tokenizer: TokenizerConfig) -> LuaValue {
    let source: LuaValue =
      switch tokenizer.source {
      case .union: .string("union")
      case .base: .string("base")
      case .model(let model): code(model)
      }
    if tokenizer.isSourceAlone { return source }
    var entries: [LuaEntry] = [.field("source", source, tokenizer.sourcePlace)]
    if !tokenizer.tokens.isEmpty {
      let tokens = tokenizer.tokens.map { LuaEntry.field($0.name, .table(token($0)), $0.place) }
      entries.append(.field("tokens", .block(tokens), tokenizer.tokensPlace))
    }
    if let (multiple, place) = tokenizer.padToMultipleOf {
      entries.append(.field("pad_to_multiple_of", .code(String(multiple)), place))
    }
    return .table(entries)
  }

  private func token(_ token: TokenizerConfig.Token) -> [LuaEntry] {
    var entries: [LuaEntry] = []
    if let (source, place) = token.source {
      let value: LuaValue =
        switch source {
        case .zero: .string("zero")
        case .model(let model): code(model)
        case .token(let model, let text):
          .table([.field("model", code(model), model.place), .field("token", .string(text), place)])
        case .tokenID(let model, let id):
          .table([.field("model", code(model), model.place), .field("token_id", .code(String(id)), place)])
        }
      entries.append(.field("source", value, place))
    }
    if let (force, place) = token.force { entries.append(.field("force", .code(String(force)), place)) }
    return entries
  }

  private func parameters(_ scope: Scope) -> [LuaEntry] {
    scope.isEmpty ? [] : [.field("parameters", .table(scope.entries), scope.place)]
  }
}
