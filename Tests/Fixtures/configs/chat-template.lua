-- From chat-template.yml
local mk = require "mergekit"

local a = mk.model "a"

return mk.merge {
  method = "passthrough",
  models = { a },
  chat_template = [==[
{% for message in messages %}{{ names[message['role']]] }}{% endfor %}
{{ "]=]" }}
]==],
}
