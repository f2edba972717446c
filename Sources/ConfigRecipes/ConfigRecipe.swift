import Basics
import Configs
import Lua
import Merging
import Scripting
import SystemPackage

/// A config as the recipe that does what it says, with the source map from the recipe to the
/// config's.
package struct ConfigRecipe {
  /// What the host calls the recipe. Lua shortens long names, which could not be found again then.
  private static let name = "recipe"

  /// The config's file, as messages name it.
  package let path: String
  /// The config's text.
  package let text: String
  /// The recipe, and what was left out of the config.
  package let translation: Translation
  /// Whether the config has several merges that use each other, or one that has a name.
  package let isMegaMerge: Bool
  /// Whether the config is that of a mixture of experts.
  package let isMixtureOfExperts: Bool

  private let config: ConfigFile
  private let methods: [String: MethodDeclaration]
  private let options: TranslationOptions

  /// Translates a config from its bytes, which `read` gives; `host` knows the methods that it names.
  ///
  /// Throws a `ConfigError`, or a `LuaError` for what is wrong with a method's file.
  package init(path: String, bytes: [UInt8], host: ScriptHost, options: TranslationOptions) throws {
    let config = try ConfigFile(bytes: bytes, path: path)
    self.path = path
    self.config = config
    self.options = options
    text = String(decoding: bytes, as: UTF8.self)
    (translation, methods) = try Self.translate(config, host, options)
    try Self.checkRules(of: translation, host)
    isMegaMerge = config.kind == .megaMerge
    isMixtureOfExperts = config.kind == .mixtureOfExperts
  }

  /// The same config, whose recipe opens merges that have been made before instead of making them.
  ///
  /// - Parameter finished: Where they lie, by their names.
  package init(_ recipe: ConfigRecipe, finished: [String: String]) throws {
    path = recipe.path
    text = recipe.text
    isMegaMerge = recipe.isMegaMerge
    isMixtureOfExperts = recipe.isMixtureOfExperts
    config = recipe.config
    methods = recipe.methods
    var options = recipe.options
    options.finished = finished
    self.options = options
    translation = try config.translate(methods: methods, options: options)
  }

  private static func translate(
    _ config: ConfigFile, _ host: ScriptHost, _ options: TranslationOptions
  ) throws -> (Translation, [String: MethodDeclaration]) {
    var methods: [String: MethodDeclaration] = [:]
    var unknown: (name: String, reason: LuaError)?
    for name in config.methodNames {
      do { methods[name] = try host.declaration(ofMethod: name) } catch let error as LuaError {
        // What is wrong within a method's file names the line there.
        guard error.file == nil, !error.kind.isFatal else { throw error }
        unknown = unknown ?? (name, error)
      }
    }
    guard let unknown else {
      return (try config.translate(methods: methods, options: options), methods)
    }
    // The config's reader finds the method unknown too, and knows the place.
    for name in try host.methodNames where methods[name] == nil {
      methods[name] = try host.declaration(ofMethod: name)
    }
    do {
      let translation = try config.translate(methods: methods, options: options)
      return (translation, methods)
    } catch { throw Self.explained(error, unknown) }
  }

  /// The error of a method that is not known, with what was wrong with its file.
  private static func explained(_ error: any Error, _ unknown: (name: String, reason: LuaError)) -> any Error
  {
    guard let config = error as? ConfigError, unknown.name.contains("/"),
      config.isUnknown(method: unknown.name)
    else { return error }
    var diagnostic = Diagnostic(config)
    diagnostic.message += ": \(foreign: unknown.reason.message)"
    return diagnostic
  }

  /// Reads each rule as Lua, since of an error in the whole recipe only the line would be known.
  private static func checkRules(of translation: Translation, _ host: ScriptHost) throws {
    for rule in translation.rules {
      // The rule is the end of the text, as the messages say, and does not run.
      let text = "do return end return " + rule.text
      do { try host.evaluate(text, name: "rule") { _ in } } catch let error as LuaError {
        guard !error.kind.isFatal else { throw error }
        throw Diagnostic(error.diagnostic.message).under(rule.keyPath).at(rule.location)
      }
    }
  }

  /// The bytes of a config. Throws a `LuaError` if the file cannot be read.
  package static func read(_ path: String) throws -> [UInt8] {
    if (try? FilePath(path).stat())?.type == .directory {
      throw LuaError("\(path) is a directory, not a config")
    }
    return try ScriptFile.read(path)
  }

  /// Runs the recipe, and gives the model that it returns.
  package func run(in host: ScriptHost) throws -> any LazyModel {
    guard case .model(let model) = try results(in: host) else {
      throw LuaError("\(path): expected one model, the recipe returned a table of models")
    }
    return model
  }

  /// Runs the recipe, and gives the model, or the models, that it returns.
  package func results(in host: ScriptHost) throws -> ScriptHost.Results {
    try placingErrors {
      // Under the names that mergekit gives them.
      try host.results(
        recipe: translation.recipe, name: Self.name, ofConfig: text, at: path,
        savedAs: isMixtureOfExperts ? "mergekit_moe_config.yml" : "mergekit_config.yml")
    }
  }

  /// The merges that the recipe makes, each after those that it uses.
  package var made: [Translation.Document] {
    translation.documents.filter { options.finished[$0.name] == nil && translation.makes($0) }
  }

  // MARK: Locations

  /// Runs what may fail at a line of the recipe; the error that it throws names the config's.
  package func placingErrors<Result>(_ body: () throws -> Result) throws -> Result {
    do { return try body() } catch let error as LuaError where error.file == Self.name {
      throw error.changed { diagnostic in
        var placed = diagnostic
        let line = diagnostic.location?.line
        placed.location =
          translation.location(of: diagnostic.keyPath, atLine: line)
          ?? line.flatMap(translation.location(ofLine:)) ?? SourceLocation(path: path)
        placed.syntax = .yaml
        return placed
      }
    }
  }

  /// A warning of the recipe; one with a key path gets the location of the value. Of a file with several merges, the
  /// line of the recipe says which is meant, and others get the location of the merge.
  package func placed(warning: Diagnostic, line: Int?) -> Diagnostic {
    var placed = warning
    placed.syntax = .yaml
    guard !isMegaMerge || line != nil else { return placed }
    return placed.at(translation.location(of: warning.keyPath, atLine: line))
      .at(isMegaMerge ? line.flatMap(translation.location(ofLine:)) : nil)
  }
}
