import Basics

/// The README.md of an output: what was merged, how, and the recipe.
package enum ModelCard {
  /// A merge method.
  package struct Method: Sendable {
    /// What people call it, such as `Task Arithmetic`.
    package let prettyName: String
    /// Where it is described.
    package let reference: String?

    package init(prettyName: String, reference: String? = nil) {
      self.prettyName = prettyName
      self.reference = reference
    }
  }

  /// An input model, by what may be published of it.
  package struct Model: Sendable, Hashable {
    /// The name that the card shows: `org/name`, or the last component of a local path.
    package let name: String
    /// Whether it is a model of the hub, which the card links to.
    package let isOnHub: Bool

    /// The model of a reference as the recipe has it.
    ///
    /// - Parameters:
    ///   - reference: A path or `org/name`, perhaps with `@revision`.
    ///   - isLocal: Whether it was found as a path; a path such as `models/base` looks like a hub's name.
    package init(reference: String, isLocal: Bool) {
      let location = ModelReference.Location(splitting: reference)
      if !isLocal, location.isHubName {
        name = location.name
        isOnHub = true
      } else if let cached = Self.cachedName(in: reference) {
        name = cached
        isOnHub = true
      } else {
        let last = reference.split(separator: "/").last { $0 != "." && $0 != ".." }
        name = last.map(String.init) ?? "local model"
        isOnHub = false
      }
    }

    /// The repository that a path in the hub's cache belongs to: `org/name` of `models--org--name`.
    private static func cachedName(in path: String) -> String? {
      let prefix = "models--"
      guard let folder = path.split(separator: "/").last(where: { $0.hasPrefix(prefix) }) else { return nil }
      let name = String(folder.dropFirst(prefix.count)).replacing("--", with: "/")
      return ModelReference.Location.isHubName(name) ? name : nil
    }
  }

  /// The language of a recipe.
  package enum RecipeLanguage: String, Sendable {
    case lua
    case yaml
  }

  /// What a card says.
  package struct Content: Sendable {
    /// The output's name.
    package var title: String
    /// The methods of the merge, in the order of their use.
    package var methods: [Method]
    /// The model whose differences to the others were merged, if there is one.
    package var baseModel: Model?
    /// The models merged.
    package var models: [Model]
    /// The recipe's text.
    package var recipe: String
    package var recipeLanguage: RecipeLanguage
    /// Whether the output is an adapter of `baseModel`.
    package var isAdapter: Bool

    package init(
      title: String, methods: [Method], baseModel: Model? = nil, models: [Model], recipe: String,
      recipeLanguage: RecipeLanguage, isAdapter: Bool = false
    ) {
      self.title = title
      self.methods = methods
      self.baseModel = baseModel
      self.models = models
      self.recipe = recipe
      self.recipeLanguage = recipeLanguage
      self.isAdapter = isAdapter
    }
  }

  /// The text of README.md: the metadata that a model hub reads, in YAML, then Markdown.
  package static func text(_ content: Content) -> String {
    var lines = frontMatter(content)
    lines += ["# \(escaped(oneLine(content.title)))", ""]
    if content.isAdapter {
      lines.append("This is an adapter (LoRA) made with mergekit-lua\(base(of: content)).")
      lines += ["", "## Details", "", adapterSentence(content)]
    } else {
      lines.append("This is a merge of language models made with mergekit-lua.")
      lines += ["", "## Merge details", ""]
      lines.append(methodSentence(content))
    }
    let others = unique(content.models).filter { $0 != content.baseModel }
    if !others.isEmpty {
      lines += ["", content.isAdapter ? "### Made of" : "### Models merged", ""]
      lines += others.map { "- \(link($0))" }
    }
    let fence = String(repeating: "`", count: max(3, longestRun(of: "`", in: content.recipe) + 1))
    lines += [
      "", content.recipeLanguage == .yaml ? "### Configuration" : "### Recipe", "",
      "\(fence)\(content.recipeLanguage.rawValue)",
    ]
    let recipe = content.recipe.hasSuffix("\n") ? String(content.recipe.dropLast()) : content.recipe
    lines += [recipe, fence]
    return lines.joined(separator: "\n") + "\n"
  }

  // MARK: Metadata

  private static func frontMatter(_ content: Content) -> [String] {
    var lines = ["---"]
    let others = content.isAdapter ? [] : content.models
    let hubModels = unique((content.baseModel.map { [$0] } ?? []) + others).filter(\.isOnHub)
    if !hubModels.isEmpty {
      lines.append("base_model:")
      lines += hubModels.map { "- \(yamlScalar($0.name))" }
      // What the hub calls a model that is made of others.
      lines.append("base_model_relation: \(content.isAdapter ? "adapter" : "merge")")
    }
    let tags = content.isAdapter ? ["lora", "mergekit-lua"] : ["mergekit-lua", "merge"]
    lines.append("library_name: \(content.isAdapter ? "peft" : "transformers")")
    lines += ["tags:"] + tags.map { "- \($0)" } + ["---"]
    return lines
  }

  /// A hub's name as a YAML scalar. It has nothing to escape, but one that begins with a digit or `_` might
  /// be taken for something else than a text.
  private static func yamlScalar(_ name: String) -> String {
    name.first?.isLetter ?? false ? name : "\"\(name)\""
  }

  // MARK: Markdown

  private static func methodSentence(_ content: Content) -> String {
    let methods = content.methods.map { method in
      let name = escaped(oneLine(method.prettyName))
      return method.reference.map { "[\(name)](<\(destination($0))>)" } ?? name
    }
    let base = content.baseModel.map { ", with \(link($0)) as the base" } ?? ""
    switch methods.count {
    case 0: return "The recipe computes the weights itself\(base)."
    case 1: return "The models were merged with the method \(methods[0])\(base)."
    default:
      let list = methods.dropLast().joined(separator: ", ") + " and \(methods[methods.count - 1])"
      return "The models were merged with the methods \(list)\(base)."
    }
  }

  private static func base(of content: Content) -> String {
    content.baseModel.map { ", for the model \(link($0))" } ?? ""
  }

  private static func adapterSentence(_ content: Content) -> String {
    let methods = content.methods.map { method in
      let name = escaped(oneLine(method.prettyName))
      return method.reference.map { "[\(name)](<\(destination($0))>)" } ?? name
    }
    return methods.isEmpty
      ? "The recipe computes it itself." : "It was made by \(methods.joined(separator: ", "))."
  }

  private static func link(_ model: Model) -> String {
    let name = escaped(oneLine(model.name))
    return model.isOnHub ? "[\(name)](https://huggingface.co/\(model.name))" : name
  }

  /// A text in which nothing is Markdown's or HTML's.
  private static func escaped(_ text: String) -> String {
    var result = ""
    for character in text {
      if "\\`*[]<>&".contains(character) { result += "\\" }
      result.append(character)
    }
    return result
  }

  private static func oneLine(_ text: String) -> String {
    String(text.map { $0.isNewline ? " " : $0 })
  }

  /// A link's destination between angle brackets.
  private static func destination(_ address: String) -> String {
    String(oneLine(address).filter { $0 != "<" && $0 != ">" })
  }

  private static func longestRun(of character: Character, in text: String) -> Int {
    var longest = 0
    var run = 0
    for next in text {
      run = next == character ? run + 1 : 0
      longest = max(longest, run)
    }
    return longest
  }

  private static func unique(_ models: [Model]) -> [Model] {
    var seen: Set<Model> = []
    return models.filter { seen.insert($0).inserted }
  }
}
