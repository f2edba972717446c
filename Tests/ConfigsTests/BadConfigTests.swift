import Configs
import Testing

/// What is refused, and what is left out with a warning.
@Suite struct BadConfigTests {
  // MARK: Structure

  @Test(arguments: [
    ("{models: [{model: a}]}", "1:1: merge_method is missing"),
    ("{merge_method: , models: [{model: a}]}", "1:1: merge_method is missing"),
    (
      "{merge_method: [ties], models: [{model: a}]}",
      "1:16: merge_method: expected the name of a merge method, or a file such as ./method.lua, found a list"
    ),
    (
      "{merge_method: tis, models: [{model: a}]}",
      "1:16: merge_method: unknown merge method 'tis' (did you mean 'ties'?)"
    ),
    (
      "{merge_method: frobnicate, models: [{model: a}]}",
      "1:16: merge_method: unknown merge method 'frobnicate'"
    ),
    (
      "{merge_method: linear}",
      "1:1: expected exactly one of models, slices and modules, found none"
    ),
    (
      "{merge_method: linear, models: [{model: a}], slices: [{}]}",
      "1:46: expected exactly one of models, slices and modules, found models and slices"
    ),
    (
      "{merge_method: linear, models: [{model: a}], modules: {a: {}}, slices: [{}]}",
      "1:64: expected exactly one of models, slices and modules, found models and slices and modules"
    ),
    (
      "{merge_method: linear, modules: {}, slices: []}",
      "1:24: expected exactly one of models, slices and modules, found slices and modules"
    ),
    (
      "{merge_method: linear, models: }",
      "1:1: expected exactly one of models, slices and modules, found none"
    ),
    ("{merge_method: linear, models: []}", "1:32: models: the list is empty; expected at least one entry"),
    (
      "{merge_method: linear, models: {model: a}}", "1:32: models: expected a list of models, found a mapping"
    ),
    (
      "{merge_method: linear, models: [a]}",
      "1:33: models[1]: expected a mapping with the key model, found 'a'"
    ),
    ("{merge_method: linear, models: [{parameters: {weight: 1}}]}", "1:33: models[1]: model is missing"),
    ("{merge_method: linear, models: [{model: }]}", "1:33: models[1]: model is missing"),
    (
      "{merge_method: linear, models: [{model: [a]}]}",
      "1:41: models[1].model: expected a model, found a list"
    ),
    ("{merge_method: linear, models: [{model: ''}]}", "1:41: models[1].model: expected a model, found ''"),
    (
      "{merge_method: linear, models: [{model: 'model:a'}]}",
      "1:41: models[1].model: 'model:a' is how old versions said it; expected a"
    ),
    (
      "{merge_method: linear, models: [{model: a}], base_model: {model: {path: 'model:org/a', revision: b}}}",
      "1:73: base_model.model.path: 'model:org/a' is how old versions said it; expected org/a"
    ),
    (
      "{merge_method: linear, slices: [{sources: [{model: {model: a, lora: 'model:b'}, layer_range: [0, 1]}]}]}",
      "1:69: slices[1].sources[1].model.lora: 'model:b' is how old versions said it; expected b"
    ),
    (
      "{merge_method: linear, models: [{model: a, parameters: [weight]}]}",
      "1:56: models[1].parameters: expected a mapping of parameters, found a list"
    ),
    ("{merge_method: linear, slices: 1}", "1:32: slices: expected a list of slices, found '1'"),
    (
      "{merge_method: linear, slices: [1]}",
      "1:33: slices[1]: expected a slice with its sources, found '1'"
    ),
    ("{merge_method: linear, slices: [{}]}", "1:33: slices[1]: sources is missing"),
    (
      "{merge_method: linear, slices: [{sources: a}]}",
      "1:43: slices[1].sources: expected a list of models with their layer_range, found 'a'"
    ),
    (
      "{merge_method: linear, slices: [{sources: []}]}",
      "1:43: slices[1].sources: the list is empty; expected at least one entry"
    ),
    ("{slices: [{sources: [{model: a, layer_range: [0, 1]}]}]}", "1:11: slices[1]: merge_method is missing"),
    (
      "{merge_method: linear, modules: [a]}",
      "1:33: modules: expected a mapping of modules, such as text_decoder, found a list"
    ),
    ("{merge_method: linear, modules: {}}", "1:33: modules: the list is empty; expected at least one module"),
    (
      "{merge_method: linear, modules: {text: 1}}",
      "1:40: modules.text: expected models or slices of the module, found '1'"
    ),
    (
      "{merge_method: linear, modules: {text: {}}}",
      "1:34: modules.text: expected either models or slices, found neither"
    ),
    (
      "{merge_method: linear, modules: {text: {models: [{model: a}], slices: [{}]}}}",
      "1:34: modules.text: expected either models or slices, found both"
    ),
  ])
  func structure(_ yaml: String, _ words: String) {
    #expect(message(yaml) == "config.yml:\(words)")
  }

  // MARK: Models

  @Test(arguments: [
    (
      "{model: a, lora: {path: b, revision: [c]}}",
      "1:83: models[1].model.lora.revision: expected a branch, tag or commit, found a list"
    ),
    ("{path: a}", "1:46: models[1].model: model is missing"),
    ("{model: {revision: a}}", "1:54: models[1].model.model: path is missing"),
    ("{model: [a]}", "1:54: models[1].model.model: expected a model, found a list"),
  ])
  func models(_ reference: String, _ words: String) {
    #expect(message("{merge_method: passthrough, models: [{model: \(reference)}]}") == "config.yml:\(words)")
  }

  @Test func overrideArchitecture() throws {
    let yaml =
      "{merge_method: passthrough, models: [{model: {model: a, override_architecture: LlamaForCausalLM}}]}"
    for isStrict in [false, true] {
      let translation = try translate(yaml, options: TranslationOptions(isStrict: isStrict))
      #expect(translation.recipe.contains("  models = { a },\n"))
      #expect(
        translation.warnings == [
          "config.yml:1:80: models[1].model.override_architecture: has no effect: the architecture is "
            + "inferred from the tensors"
        ])
    }
  }

  // MARK: Misspelt keys

  /// The key that an error is due to is named in it.
  @Test(arguments: [
    (
      "merge_method: linear\nmodles: [{model: a}]",
      "1:1: expected exactly one of models, slices and modules, found none "
        + "(did you mean 'models' by 'modles' at 2:1?)"
    ),
    (
      "merge_method: linear\nmodel: models/a",
      "1:1: expected exactly one of models, slices and modules, found none "
        + "(did you mean 'models' by 'model' at 2:1?)"
    ),
    (
      "merge_method: linear\nmodules: {text: {model: [{model: a}]}}",
      "2:11: modules.text: expected either models or slices, found neither "
        + "(did you mean 'models' by 'model' at 2:18?)"
    ),
    (
      "method: linear\nmodels: [{model: a}]",
      "1:1: merge_method is missing (did you mean 'merge_method' by 'method' at 1:1?)"
    ),
    (
      "merge_method: linear\nmodels: [{modle: a}]",
      "2:10: models[1]: model is missing (did you mean 'model' by 'modle' at 2:11?)"
    ),
    (
      "merge_method: linear\nmodels: [{model: {model: {pth: a}}}]",
      "2:26: models[1].model.model: path is missing (did you mean 'path' by 'pth' at 2:27?)"
    ),
    (
      "merge_method: linear\nslices: [{source: [{model: a}]}]",
      "2:10: slices[1]: sources is missing (did you mean 'sources' by 'source' at 2:11?)"
    ),
    (
      "merge_method: linear\nslices: [{sources: [{model: a, layers: [0, 2]}]}]",
      "2:21: slices[1].sources[1]: layer_range is missing (did you mean 'layer_range' by 'layers' at 2:32?)"
    ),
    (
      "merge_method: linear\nmodels: [{model: a, parameters: {weight: {filter: mlp, vaule: 1}}}]",
      "2:42: models[1].parameters.weight: a filter needs a value (did you mean 'value' by 'vaule' at 2:56?)"
    ),
    (
      "merge_method: linear\nmodels: [{model: a, parameters: {weight: {lau: depth}}}]",
      "2:42: models[1].parameters.weight: a filter needs a value (did you mean 'lua' by 'lau' at 2:43?)"
    ),
  ])
  func misspeltKeys(_ yaml: String, _ words: String) {
    #expect(message(yaml) == "config.yml:\(words)")
  }

  /// What the signs in a reference mean is found when it is opened.
  @Test(arguments: ["a@b@c", "a+b+c", "a@", "a+", "@main", "a@x+b@y", "./we@ird+x"])
  func referencesAreGivenOnAsTheyAre(_ reference: String) throws {
    let translation = try translate("{merge_method: passthrough, models: [{model: '\(reference)'}]}")
    #expect(translation.recipe.contains(" = mk.model \"\(reference)\"\n"))
  }

  // MARK: Layers

  /// A slice of two sources; the first has the given range.
  private func slice(_ range: String) -> String {
    """
    merge_method: linear
    parameters: {weight: 1}
    slices:
    - sources:
      - {model: a, layer_range: \(range)}
      - {model: b, layer_range: [0, 4]}
    """
  }

  @Test(arguments: [
    ("", "5:5: slices[1].sources[1]: layer_range is missing"),
    (
      "4",
      "5:29: slices[1].sources[1].layer_range: expected two layer numbers, the first and the one after the "
        + "last, such as [0, 16], found '4'"
    ),
    (
      "[4]",
      "5:29: slices[1].sources[1].layer_range: expected two layer numbers, the first and the one after the "
        + "last, such as [0, 16], found one number"
    ),
    (
      "[0, 1, 2]",
      "5:29: slices[1].sources[1].layer_range: expected two layer numbers, the first and the one after "
        + "the last, such as [0, 16], found a list of 3"
    ),
    ("[0, all]", "5:33: slices[1].sources[1].layer_range[2]: expected a layer number, found 'all'"),
    ("[0, 1.5]", "5:33: slices[1].sources[1].layer_range[2]: expected a layer number, found '1.5'"),
    ("[0, 1e40]", "5:33: slices[1].sources[1].layer_range[2]: expected a layer number, found '1e40'"),
    ("[-1, 3]", "5:30: slices[1].sources[1].layer_range[1]: layers count from 0, found -1"),
    ("[8, 4]", "5:29: slices[1].sources[1].layer_range: [8, 4] is reversed: the first layer comes first"),
    (
      "[0, 8]",
      "6:29: slices[1].sources[2].layer_range: 4 layers, but sources[1] has 8: all sources of a slice have "
        + "as many"
    ),
  ])
  func layers(_ range: String, _ words: String) {
    #expect(message(slice(range)) == "config.yml:\(words)")
  }

  // MARK: Methods

  @Test(arguments: [
    // A base that is not listed is an input of a method without a base.
    "{merge_method: karcher, base_model: a, models: [{model: b}]}",
    // … unless the method cannot take it.
    "{merge_method: passthrough, base_model: a, models: [{model: b}]}",
    "{merge_method: slerp, base_model: a, models: [{model: a}, {model: b}]}",
    "{merge_method: slerp, base_model: a, models: [{model: b}]}",
    "{merge_method: slerp, base_model: a, slices: [{sources: [{model: b, layer_range: [0, 1]}]}]}",
    "{merge_method: ties, slices: [{sources: [{model: b, layer_range: [0, 1]}], base_model: a}]}",
    "{slices: [{sources: [{model: b, layer_range: [0, 1]}], merge_method: passthrough}]}",
  ])
  func accepted(_ yaml: String) throws {
    #expect(try translate(yaml).warnings == [])
  }

  @Test(arguments: [
    (
      "int64",
      "'int64' is not a dtype that models are written in; expected float16, bfloat16, float32, float64, "
        + "float8_e4m3fn, float8_e5m2"
    ),
    (
      "float8",
      "'float8' is not a dtype that models are written in (did you mean 'float8_e4m3fn'?)"
    ),
    ("bfloat61", "'bfloat61' is not a dtype that models are written in (did you mean 'bfloat16'?)"),
    ("torch.flaot16", "'torch.flaot16' is not a dtype that models are written in (did you mean 'float16'?)"),
    ("[float16]", "expected the name of a dtype, such as bfloat16, found a list"),
  ])
  func dtypes(_ dtype: String, _ words: String) {
    for key in ["dtype", "out_dtype"] {
      #expect(
        message("merge_method: passthrough\nmodels: [{model: a}]\n\(key): \(dtype)")
          == "config.yml:3:\(key.count + 3): \(key): \(words)")
    }
  }

  @Test func dtypesOfTheCommandLine() throws {
    let options = TranslationOptions(dtypeNames: ["half"])
    let yaml = "{merge_method: passthrough, models: [{model: a}], dtype: torch.Half}"
    #expect(try translate(yaml, options: options).recipe.contains("  dtype = \"half\",\n"))
  }

  @Test(arguments: [
    (
      "chat_template: [a]",
      "3:16: chat_template: expected a name such as chatml, 'auto', or a Jinja template, found a list"
    ),
    ("name: a/b", "3:7: name: 'a/b' cannot name a merge: a name has no '/' and no '..', and is not '.'"),
    ("name: ..", "3:7: name: '..' cannot name a merge: a name has no '/' and no '..', and is not '.'"),
  ])
  func otherKeys(_ yaml: String, _ words: String) {
    #expect(message("merge_method: passthrough\nmodels: [{model: a}]\n\(yaml)") == "config.yml:\(words)")
  }

  // MARK: Warnings

  @Test(arguments: [
    ("merge_methd: ties", "1:1: merge_methd: unknown key, left out (did you mean 'merge_method'?)"),
    ("random_seed: 3", "1:1: random_seed: unknown key, left out (--random-seed gives it)"),
    ("density: 0.5", "1:1: density: unknown key, left out (the parameter belongs under 'parameters' here)"),
    (
      "models: [{model: a, layer_range: [0, 1]}]",
      "1:21: models[1].layer_range: unknown key, left out (known: model, parameters)"
    ),
    (
      "models: [{model: a, wieght: 1}]",
      "1:21: models[1].wieght: unknown key, left out (known: model, parameters)"
    ),
    (
      "models: [{model: a, weight: 1}]",
      "1:21: models[1].weight: unknown key, left out (the parameter belongs under 'parameters' here)"
    ),
    (
      "models: [{model: {model: a, lra: b}}]",
      "1:29: models[1].model.lra: unknown key, left out (did you mean 'lora'?)"
    ),
    (
      "models: [{model: a, parameters: {wieght: 1}}]",
      "1:34: models[1].parameters.wieght: unknown parameter of method 'ties', left out (did you mean "
        + "'weight'?)"
    ),
    (
      "models: [{model: a, parameters: {frobnicate: 1}}]",
      "1:34: models[1].parameters.frobnicate: unknown parameter of method 'ties', left out"
    ),
    (
      "models: [{model: a, parameters: {normalize: yes}}]",
      "1:34: models[1].parameters.normalize: the parameter is shared by all models and not read here, "
        + "left out; it "
        + "belongs under the 'parameters' of the whole config or of a slice"
    ),
    (
      "models: [{model: a, parameters: {weight: {filter: b, valeu: 2, value: 1}}}]",
      "1:54: models[1].parameters.weight.valeu: unknown key, left out (did you mean 'value'?)"
    ),
    (
      "parameters: {wieght: 1}",
      "1:14: parameters.wieght: unknown parameter of method 'ties', left out (did you mean 'weight'?)"
    ),
  ])
  func leftOut(_ line: String, _ words: String) throws {
    let yaml =
      line + "\nmerge_method: ties\nbase_model: b\n"
      + (line.hasPrefix("models") ? "" : "models: [{model: a}]")
    let translation = try translate(yaml)
    #expect(translation.warnings == ["config.yml:\(words)"])
    let left = words.split(separator: ":")[2].split(separator: ".").last.map(String.init)
    #expect(!translation.recipe.contains("\(try #require(left).trimmingPrefix(" ")) = "))
    let strict = words.replacing(", left out", with: "")
    #expect(message(yaml, options: TranslationOptions(isStrict: true)) == "config.yml:\(strict)")
  }

  /// What recipes call a key means the key.
  @Test func namesOfRecipes() throws {
    let warnings = try translate(
      """
      {merge_method: linear, base: b, method: c, parameters: {weight: 1}, slices: [{base: b, sources: [
      {model: a, layers: 1, layer_range: [0, 1]}]}]}
      """
    ).warnings
    #expect(
      warnings == [
        "config.yml:1:24: base: unknown key, left out (did you mean 'base_model'?)",
        "config.yml:1:33: method: unknown key, left out (did you mean 'merge_method'?)",
        "config.yml:1:79: slices[1].base: unknown key, left out (did you mean 'base_model'?)",
        "config.yml:2:12: slices[1].sources[1].layers: unknown key, left out (did you mean 'layer_range'?)",
      ])
  }

  /// In a slice with a method of its own, that method's parameters count; global ones may be any method's.
  @Test func parametersOfSeveralMethods() throws {
    let translation = try translate(
      """
      merge_method: linear
      parameters: {weight: 1, scale: 2, t: 3}
      slices:
      - sources: [{model: a, layer_range: [0, 1], parameters: {weight: 1, scale: 2}}]
        merge_method: passthrough
        parameters: {weight: 1, scale: 2}
      """)
    #expect(
      translation.warnings == [
        "config.yml:2:35: parameters.t: unknown parameter of methods 'linear' and 'passthrough', left out",
        "config.yml:4:58: slices[1].sources[1].parameters.weight: unknown parameter of method "
          + "'passthrough', left "
          + "out",
        "config.yml:6:16: slices[1].parameters.weight: unknown parameter of method 'passthrough', left out",
      ])
    #expect(translation.recipe.contains("parameters = { weight = 1, scale = 2 },\n}"))
  }

  /// A key that only holds an anchor is no mistake.
  @Test func keysForAnchors() throws {
    for common in ["x-common: &c {dtype: float16}", "x-common: {kinds: [&c {dtype: float16}]}"] {
      let yaml = "\(common)\nmerge_method: passthrough\nmodels: [{model: a}]\n<<: *c"
      let translation = try translate(yaml, options: TranslationOptions(isStrict: true))
      #expect(translation.recipe.contains("  dtype = \"float16\",\n"))
    }
  }

  // MARK: Tokenizers

  @Test(arguments: [
    (
      "{source: \"model:org/name\"}",
      "1:21: tokenizer.source: 'model:org/name' is how old versions said it; expected org/name"
    ),
    (
      "{source: union}\ntokenizer_source: union",
      "1:12: tokenizer: tokenizer and tokenizer_source are both given; expected one of them"
    ),
    (
      "union",
      "1:12: tokenizer: expected a mapping with source, tokens and pad_to_multiple_of, found 'union'"
    ),
    ("{source: [a]}", "1:21: tokenizer.source: expected a model, found a list"),
    ("{tokens: [a]}", "1:21: tokenizer.tokens: expected a mapping of tokens, found a list"),
    ("{tokens: {a: b}}", "1:25: tokenizer.tokens.a: expected a mapping with source and force, found 'b'"),
    ("{tokens: {a: }}", "1:25: tokenizer.tokens.a: expected a mapping with source and force, found nothing"),
    (
      "{tokens: {a: {force: maybe}}}", "1:33: tokenizer.tokens.a.force: expected true or false, found 'maybe'"
    ),
    (
      "{tokens: {a: {source: {kind: zer}}}}",
      "1:41: tokenizer.tokens.a.source.kind: expected model_token or zero, found 'zer' (did you mean 'zero'?)"
    ),
    (
      "{tokens: {a: {source: {kind: model_token, token: b}}}}",
      "1:34: tokenizer.tokens.a.source: model is missing"
    ),
    (
      "{tokens: {a: {source: {kind: model_token, model: b}}}}",
      "1:34: tokenizer.tokens.a.source: expected either token or token_id, found neither"
    ),
    (
      "{tokens: {a: {source: {kind: model_token, model: 'model:b', token: c}}}}",
      "1:61: tokenizer.tokens.a.source.model: 'model:b' is how old versions said it; expected b"
    ),
    (
      "{tokens: {a: {source: 'model:b'}}}",
      "1:34: tokenizer.tokens.a.source: 'model:b' is how old versions said it; expected b"
    ),
    (
      "{tokens: {a: {source: {kind: model_token, model: b, token: c, token_id: 1}}}}",
      "1:34: tokenizer.tokens.a.source: token and token_id are both given; expected one of them"
    ),
    (
      "{tokens: {a: {source: {kind: model_token, model: b, token_id: -1}}}}",
      "1:74: tokenizer.tokens.a.source.token_id: expected a whole number from 0 on, found '-1'"
    ),
    (
      "{pad_to_multiple_of: 0}",
      "1:33: tokenizer.pad_to_multiple_of: expected a whole number from 1 on, found '0'"
    ),
  ])
  func badTokenizers(_ yaml: String, _ words: String) {
    #expect(
      message("tokenizer: \(yaml)\nmerge_method: passthrough\nmodels: [{model: a}]") == "config.yml:\(words)")
  }
}
