// openai-node's own tool loop against a server: node run_tools.mjs http://127.0.0.1:8080
//
// Runs it forced (a named function: one call, then it ends) and free (the model calls, then answers), whole and streamed.
// Prints one JSON object a run: what was called, and every message of the conversation.
import OpenAI from "openai";

const [url] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });

function weather(cities) {
  const lookUp = ({ city }) => {
    cities.push(city);
    return { city, temperature: "17 degrees", sky: "cloudy" };
  };
  const parameters = {
    type: "object",
    properties: { city: { type: "string", maxLength: 12 } },
    required: ["city"],
    additionalProperties: false,
  };
  const description = "Get the current weather in a city";
  // strict: the arguments follow the schema, whatever the model would rather write
  return { name: "get_weather", description, strict: true, parameters, parse: JSON.parse, function: lookUp };
}

async function run(tool_choice, stream) {
  const cities = [];
  const runner = client.chat.completions.runTools({
    model: "default",
    temperature: 0,
    max_completion_tokens: 400,
    messages: [{ role: "user", content: "What is the weather in Oslo?" }],
    tools: [{ type: "function", function: weather(cities) }],
    tool_choice,
    stream,
  });
  await runner.done();
  return { tool_choice, stream, cities, messages: runner.messages };
}

for (const tool_choice of [{ type: "function", function: { name: "get_weather" } }, "auto"]) {
  for (const stream of [false, true]) console.log(JSON.stringify(await run(tool_choice, stream)));
}
